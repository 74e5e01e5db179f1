// Retention on CUDA: S_t = exp(g_t) S_{t-1} + k_t v_t^T, o_t = scale q_t S_t, forward, backward and one step
// of decoding (Sun et al., "Retentive Network", 2023).
//
// retention_pass.h tells how one kind of walk makes the output and the gradients of q, k and v;
// retention_mma.h runs it on tensor cores, retention_fma.h on multiply-adds. The forms compute the same
// elements, so all run in chunks of the kernel's own size, whatever chunk_size asks for: 2 T (C (K + V) / 2 +
// 2 K V) FLOP a head forward and three times that backward, plus what several tiles of columns compute twice
// (the scores).
//
// The decay's gradient comes from the pairs (i, j), j < i, each of which adds q_i k_j D_ij (dO_i v_j) to the
// gradients of g_{j+1} ... g_i. Per chunk: pairs inside it are the rows q_i . dQ_i less the rows k_j . dK_j,
// both without what they have from outside, summed from i to the end; pairs with what came before are the
// rest of q_i . dQ_i, summed from i to the end; pairs with what comes after are the rest of k_j . dK_j,
// summed up to i; and pairs that span the chunk are the product of the state at its start with the gradient
// of the state at its end. Sums are in double, so what cancels inside a chunk leaves only the walks'
// rounding, and nothing cancels between chunks. For that the walk for dQ keeps its states, T / C K V elements
// a head.
//
// The device is never waited for: grids come from shapes, bounds of packed sequences stay where they are, and
// a log decay above zero or NaN makes NaN of all that follows it.

#include <algorithm>
#include <optional>
#include <tuple>

#include "common/checks.h"
#include "common/dtypes.h"
#include "common/retention_sizes.h"
#include "device.h"
#include "retention_fma.h"
#include "retention_mma.h"
#include "retention_pass.h"

namespace frontier::cuda {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::contiguous;
using torch::stable::new_empty;
using torch::stable::new_zeros;
using torch::stable::Tensor;

// Raises unless the tensor has this element type and lies where q does.
void check_kind(const char* name, const Tensor& tensor, const Tensor& q, ScalarType wanted) {
  check_type(name, tensor, wanted);
  check_device(name, tensor, "q", q);
}

constexpr int kWidest = 256;
constexpr int kLongestChunk = 64;
constexpr int64_t kWholeSequence = int64_t{1} << 40;  // a segment's length if each sequence is one

// Sizes of one call that a kernel has and whose tensors lie on one device.
struct Shape : RetentionSizes {
  Shape(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_decay,
        const std::optional<Tensor>& initial, const std::optional<Tensor>& cu_seqlens, int64_t chunk_size)
      : RetentionSizes(q, k, v, log_decay, initial, cu_seqlens, chunk_size, kWidest) {
    check_device("k", k, "q", q), check_device("v", v, "q", q);
    check_device("log_decay", log_decay, "q", q);
    if (cu_seqlens) check_device("cu_seqlens", *cu_seqlens, "q", q);
    if (initial) check_device("initial_state", *initial, "q", q);
  }
};

// A kernel for one walk and what it asks for.
template <typename T>
struct Walk {
  void (*kernel)(Pass<T>, int);
  int rows, width, threads, stages;
  int row_parts, crossing_parts;  // of a tile's sums for the decay's gradient
  size_t shared_bytes;
  int64_t kept;  // bytes of the state that one chunk, head and tile keeps

  int64_t tiles(int64_t columns) const { return (columns + width - 1) / width; }
};

template <typename T, int DEPTH, int WARPS, int ROWS = 64>
Walk<T> mma(const Properties& device) {
  using S = MmaShape<T, DEPTH, WARPS, ROWS>;
  // A second stage pays only if it does not cost the SM its second block.
  const int stages =
      device.capability >= 80 && 2 * S::shared_bytes(2) <= static_cast<size_t>(device.shared_per_block) ? 2
                                                                                                        : 1;
  return {mma_walk<T, DEPTH, WARPS, ROWS>,
          ROWS,
          S::kWidth,
          S::kThreads,
          stages,
          WARPS,
          WARPS,
          S::shared_bytes(stages),
          int64_t{DEPTH} * S::kWidth * static_cast<int64_t>(sizeof(T))};
}

template <typename T, int ROWS, int WIDTH>
Walk<T> fma(int depth) {
  using S = FmaShape<T, ROWS, WIDTH>;
  return {fma_walk<T, ROWS, WIDTH>,
          ROWS,
          WIDTH,
          S::kThreads,
          1,
          1,
          S::kThreads / 32,
          S::shared_bytes(depth),
          int64_t{S::padded(depth)} * WIDTH * static_cast<int64_t>(sizeof(acc_t<T>))};
}

// The walk for a state of [depth, width] on this device.
template <typename T>
Walk<T> choose_walk(int depth, int width, const Properties& device) {
  const auto fits = [&](const Walk<T>& walk) {
    return walk.shared_bytes <= static_cast<size_t>(device.shared_per_block);
  };
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    if (tensor_cores<T>(device)) {
      if (depth <= 64) return width <= 64 ? mma<T, 64, 4>(device) : mma<T, 64, 8>(device);
      if (depth <= 128) return width <= 64 ? mma<T, 128, 4>(device) : mma<T, 128, 8>(device);
      const Walk<T> wide = width <= 64 ? mma<T, 256, 4>(device) : mma<T, 256, 8>(device);
      // Of the devices with tensor cores for T only sm_75, with 64 KiB, cannot hold 64 tokens of this width.
      if constexpr (std::is_same_v<T, Half>)
        if (!fits(wide)) return mma<T, 256, 4, 32>(device);
      return wide;
    }
  }
  if constexpr (std::is_same_v<T, BFloat16>) return fma<T, 32, 32>(depth);
  if constexpr (std::is_same_v<T, float>) {
    const Walk<T> large = fma<T, 64, 64>(depth);
    return width > 32 && fits(large) ? large : fma<T, 32, 32>(depth);
  }
  if constexpr (std::is_same_v<T, double>) {
    const Walk<T> large = fma<T, 32, 32>(depth);
    return fits(large) ? large : fma<T, 32, 16>(depth);
  }
  STD_TORCH_CHECK(false, "retention: this device has no kernel for this element type");
}

dim3 grid_of(int64_t blocks) {
  STD_TORCH_CHECK(blocks <= 0x7fffffff, "retention: got ", blocks, " blocks of work, wanted fewer than 2^31");
  return dim3(static_cast<unsigned>(blocks));
}

// One element of the states for each thread: what every segment begins with, from what every one adds.
template <typename T>
__global__ void scan_segments(const Pass<T> p) {
  using S = acc_t<T>;
  const int64_t size = p.state_size(), blocks = (size + blockDim.x - 1) / blockDim.x;
  const int64_t element = blockIdx.x % blocks * blockDim.x + threadIdx.x;
  const int64_t head = blockIdx.x / blocks % p.heads, sequence = blockIdx.x / blocks / p.heads;
  if (element >= size) return;
  const int64_t length = p.start(sequence + 1) - p.start(sequence);
  const int64_t segments = (length + p.segment - 1) / p.segment;
  const int64_t first = p.slot(sequence, p.segment);
  S state = p.first ? p.first[(sequence * p.heads + head) * size + element] : S(0);
  for (int64_t step = 0; step < segments; ++step) {
    const int64_t slot = first + (p.reverse ? segments - 1 - step : step);
    S& here = p.segment_states[(slot * p.heads + head) * size + element];
    // The last segment adds to nothing here: its walk wrote no sum.
    const bool last = step + 1 == segments;
    const S added = last ? S(0) : here;
    if (step > 0) here = state;
    if (!last) state = StateDecay<S>::of(p.segment_decays[slot * p.heads + head])(state) + added;
  }
}

// Runs a walk; if its sequences are cut into segments, `p.segment_states` already holds what they begin with.
template <typename T>
void run(const Walk<T>& walk, const Pass<T>& p, cudaStream_t stream) {
  launch(walk.kernel, grid_of(p.slots(p.segment) * p.heads * walk.tiles(p.width)), walk.threads,
         walk.shared_bytes, stream, p, walk.stages);
}

// Tokens in a segment: whole sequences if they fill the device, else enough segments to fill it twice.
template <typename T>
int64_t choose_segment(const Walk<T>& walk, const Pass<T>& p, const Properties& device) {
  const int64_t across = p.heads * walk.tiles(p.width);
  const int64_t chunks = (p.tokens + kLongestChunk - 1) / kLongestChunk;
  if (p.sequences * across >= device.multiprocessors) return kWholeSequence;
  const int64_t length = std::max<int64_t>(2, chunks * across / (2 * device.multiprocessors));
  return length * p.sequences >= chunks ? kWholeSequence : length * kLongestChunk;
}

// States that the segments of one walk begin with, or nothing if it is not cut.
struct SegmentStates {
  std::optional<Tensor> states, decays;
};

// Fills p.segment_states: the walk without outputs, then the scan.
template <typename T>
SegmentStates sum_segments(const Walk<T>& walk, Pass<T>& p, const Tensor& like, cudaStream_t stream) {
  if (p.segment == kWholeSequence) return {};
  const int64_t slots = p.slots(p.segment);
  Tensor states = new_empty(like, {slots, p.heads, p.state_size()}, acc_type(like));
  Tensor decays = new_empty(like, {slots, p.heads}, ScalarType::Double);
  p.segment_states = states.mutable_data_ptr<acc_t<T>>();
  p.segment_decays = decays.mutable_data_ptr<double>();
  Pass<T> sums = p;
  sums.sums_only = true;
  run(walk, sums, stream);
  constexpr int kThreads = 256;
  const int64_t blocks = (p.state_size() + kThreads - 1) / kThreads;
  launch(scan_segments<T>, grid_of(blocks * p.heads * p.sequences), kThreads, 0, stream, p);
  return {states, decays};
}

template <typename T>
bool aligned(const T* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0;
}

// A walk of these inputs with everything that does not depend on its direction.
template <typename T>
Pass<T> make_pass(const Shape& n, const T* x, const T* y, const T* z, T* out, bool transposed,
                  const Tensor& log_decay, const std::optional<Tensor>& cu_seqlens) {
  Pass<T> p{};
  p.x = x, p.y = y, p.z = z, p.out = out;
  p.log_decay = log_decay.const_data_ptr<acc_t<T>>();
  p.cu_seqlens = data_if<int64_t>(cu_seqlens);
  p.sequences = n.sequences, p.time = n.time, p.tokens = n.batch * n.time, p.heads = n.heads;
  p.depth = static_cast<int>(transposed ? n.value : n.key);
  p.width = static_cast<int>(transposed ? n.key : n.value);
  p.stride_depth = transposed ? 1 : n.value;
  p.stride_width = transposed ? n.value : 1;
  p.segment = kWholeSequence;
  p.per_token = n.per_token;
  constexpr int64_t kVector = 16 / sizeof(T);
  p.vectors = n.key % kVector == 0 && n.value % kVector == 0 && aligned(x) && aligned(y) && aligned(z);
  return p;
}

std::tuple<Tensor, Tensor> retention(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in,
                                     const Tensor& log_decay_in, const std::optional<Tensor>& initial_in,
                                     const std::optional<Tensor>& cu_seqlens_in, int64_t chunk_size,
                                     double scale) {
  const DeviceGuard guard(q_in);
  const Tensor q = contiguous(q_in), k = contiguous(k_in), v = contiguous(v_in);
  const Tensor log_decay = contiguous(log_decay_in);
  const std::optional<Tensor> initial = frontier::as_contiguous(initial_in),
                              cu_seqlens = frontier::as_contiguous(cu_seqlens_in);
  const Shape n(q, k, v, log_decay, initial, cu_seqlens, chunk_size);
  Tensor o = new_empty(v, {n.batch, n.time, n.heads, n.value});
  Tensor state = new_empty(v, {n.sequences, n.heads, n.key, n.value}, acc_type(q));
  const Properties device = properties(q);
  const cudaStream_t stream = current_stream(q);
  dispatch_floating(q, "retention", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const Walk<T> walk = choose_walk<T>(static_cast<int>(n.key), static_cast<int>(n.value), device);
    Pass<T> p = make_pass(n, q.const_data_ptr<T>(), k.const_data_ptr<T>(), v.const_data_ptr<T>(),
                          o.mutable_data_ptr<T>(), false, log_decay, cu_seqlens);
    p.scale_scores = p.scale_read = static_cast<S>(scale);
    p.scale_write = 1;
    p.first = data_if<S>(initial);
    p.last = state.mutable_data_ptr<S>();
    p.segment = choose_segment(walk, p, device);
    const SegmentStates segments = sum_segments(walk, p, q, stream);
    run(walk, p, stream);
  });
  return {o, state};
}

// What the walks for dQ and dK leave for the decay's gradient; see Pass.
template <typename S>
struct DecayParts {
  const S *past, *whole, *future;  // q . dQ, k . dK, and of that what came from later chunks
  const double* crossing;
  int row_parts, crossing_parts;
};

// One warp for each chunk and head: the gradient of each token's decay, or their sum in [heads, chunks].
template <typename T, int ROWS>
__global__ void decay_gradient(const Pass<T> p, const DecayParts<acc_t<T>> parts, acc_t<T>* per_token,
                               double* per_chunk) {
  using S = acc_t<T>;
  constexpr int kEach = ROWS / 32;
  const int lane = threadIdx.x % 32;
  const int64_t task = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  const int64_t head = task % p.heads, slot = task / p.heads, slots = p.slots(ROWS);
  if (slot >= slots) return;
  Segment chunk;
  if (!find_segment(p, slot, ROWS, chunk) || chunk.begin == chunk.end) {
    if (per_chunk && lane == 0) per_chunk[head * slots + slot] = 0;
    return;
  }
  const int count = static_cast<int>(chunk.end - chunk.begin);
  const auto sum_parts = [&](const S* products, int row) {
    double sum = 0;
    for (int part = 0; part < parts.row_parts; ++part)
      sum += static_cast<double>(products[(part * p.heads + head) * p.tokens + chunk.begin + row]);
    return sum;
  };
  double later[kEach], earlier[kEach], total_later = 0,
                                       total_earlier = 0;  // pairs that count from, up to a row
#pragma unroll
  for (int e = 0; e < kEach; ++e) {
    const int row = lane * kEach + e;
    later[e] = earlier[e] = 0;
    if (row < count) {
      earlier[e] = sum_parts(parts.future, row);
      later[e] = sum_parts(parts.past, row) - (sum_parts(parts.whole, row) - earlier[e]);
    }
    total_later += later[e];
    total_earlier += earlier[e];
  }
  double after = total_later, before = total_earlier;
#pragma unroll
  for (int offset = 1; offset < 32; offset *= 2) {
    const double down = __shfl_down_sync(kWholeWarp, after, offset);
    const double up = __shfl_up_sync(kWholeWarp, before, offset);
    if (lane + offset < 32) after += down;
    if (lane >= offset) before += up;
  }
  before -= total_earlier;
  double gradient = 0, sum = 0;
  for (int part = 0; part < parts.crossing_parts; ++part)
    gradient += parts.crossing[(part * p.heads + head) * slots + slot];
#pragma unroll
  for (int e = 0; e < kEach; ++e) {
    const int row = lane * kEach + e;
    if (row < count) {
      const double here = gradient + before + after;
      if (per_token) per_token[(chunk.begin + row) * p.heads + head] = static_cast<S>(here);
      sum += here;
    }
    before += earlier[e];
    after -= later[e];
  }
  sum = warp_sum(sum);
  if (per_chunk && lane == 0) per_chunk[head * slots + slot] = sum;
}

// One block of 256 for each head, in an order that depends on the number of chunks alone.
template <typename S>
__global__ void sum_chunks(const double* per_chunk, int64_t slots, S* out) {
  __shared__ double sums[8];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < slots; i += 256) sum += per_chunk[blockIdx.x * slots + i];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    double total = 0;
    for (int warp = 0; warp < 8; ++warp) total += sums[warp];
    out[blockIdx.x] = static_cast<S>(total);
  }
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> retention_backward(
    const std::optional<Tensor>& grad_in, const std::optional<Tensor>& grad_state_in, const Tensor& q_in,
    const Tensor& k_in, const Tensor& v_in, const Tensor& log_decay_in,
    const std::optional<Tensor>& initial_in, const std::optional<Tensor>& cu_seqlens_in, int64_t chunk_size,
    double scale, bool decay) {
  const DeviceGuard guard(q_in);
  const Tensor q = contiguous(q_in), k = contiguous(k_in), v = contiguous(v_in);
  const Tensor log_decay = contiguous(log_decay_in);
  const std::optional<Tensor> initial = frontier::as_contiguous(initial_in),
                              cu_seqlens = frontier::as_contiguous(cu_seqlens_in);
  const std::optional<Tensor> grad_state = frontier::as_contiguous(grad_state_in);
  const Shape n(q, k, v, log_decay, initial, cu_seqlens, chunk_size);
  const Tensor grad = grad_in ? contiguous(*grad_in) : new_zeros(v, {n.batch, n.time, n.heads, n.value});
  check_shape("grad", grad, n.batch, n.time, n.heads, n.value);
  check_kind("grad", grad, q, q.scalar_type());
  if (grad_state) {
    check_shape("grad_state", *grad_state, n.sequences, n.heads, n.key, n.value);
    check_kind("grad_state", *grad_state, q, acc_type(q));
  }
  Tensor dq = new_empty(q, {n.batch, n.time, n.heads, n.key});
  Tensor dk = new_empty(k, {n.batch, n.time, n.heads, n.key});
  Tensor dv = new_empty(v, {n.batch, n.time, n.heads, n.value});
  Tensor dlog_decay = !decay        ? new_empty(log_decay, {0})
                      : n.per_token ? new_empty(log_decay, {n.batch, n.time, n.heads})
                                    : new_empty(log_decay, {n.heads});
  Tensor dinitial = new_empty(log_decay, {initial ? n.sequences : 0, n.heads, n.key, n.value});
  const Properties device = properties(q);
  const cudaStream_t stream = current_stream(q);
  dispatch_floating(q, "retention_backward", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const T *pq = q.const_data_ptr<T>(), *pk = k.const_data_ptr<T>(), *pv = v.const_data_ptr<T>();
    const T* pgrad = grad.const_data_ptr<T>();
    const int key = static_cast<int>(n.key), value = static_cast<int>(n.value);
    const Walk<T> upright = choose_walk<T>(key, value, device), across = choose_walk<T>(value, key, device);

    Pass<T> p = make_pass(n, pgrad, pv, pk, dq.mutable_data_ptr<T>(), true, log_decay, cu_seqlens);
    const int64_t chunks = p.slots(across.rows), tiles = across.tiles(key);
    const int64_t row_parts = tiles * across.row_parts, crossing_parts = tiles * across.crossing_parts;
    // Nothing is kept for the decay's gradient if nobody asks for it.
    Tensor products = new_empty(log_decay, {decay ? 3 : 0, row_parts, n.heads, p.tokens});
    S* row_products = products.mutable_data_ptr<S>();
    const int64_t stride = row_parts * n.heads * p.tokens;
    const int64_t kept_chunks = decay ? chunks : 0;
    Tensor crossing = new_empty(log_decay, {crossing_parts, n.heads, kept_chunks}, ScalarType::Double);
    Tensor kept = new_empty(q, {kept_chunks, n.heads, tiles, across.kept / static_cast<int64_t>(sizeof(T))});

    // The states once more, and their gradients, at the segments' bounds.
    Pass<T> states = make_pass<T>(n, nullptr, pk, pv, nullptr, false, log_decay, cu_seqlens);
    states.scale_write = 1;
    states.first = data_if<S>(initial);
    states.segment = choose_segment(upright, states, device);
    const SegmentStates forward_segments = sum_segments(upright, states, q, stream);
    Pass<T> gradients = make_pass<T>(n, nullptr, pq, pgrad, nullptr, false, log_decay, cu_seqlens);
    gradients.reverse = true;
    gradients.scale_write = static_cast<S>(scale);
    gradients.first = data_if<S>(grad_state);
    gradients.segment = states.segment;
    const SegmentStates backward_segments = sum_segments(upright, gradients, q, stream);

    p.scale_scores = p.scale_read = static_cast<S>(scale);
    p.scale_write = 1;
    p.first = states.first, p.segment = states.segment, p.segment_states = states.segment_states;
    if (decay) {
      p.rows = pq;
      p.row_products = row_products;
      p.chunk_states = kept.mutable_data_ptr();
    }
    run(across, p, stream);

    p = make_pass(n, pv, pgrad, pq, dk.mutable_data_ptr<T>(), true, log_decay, cu_seqlens);
    p.reverse = true;
    p.scale_scores = p.scale_write = static_cast<S>(scale);
    p.scale_read = 1;
    p.first = gradients.first, p.segment = states.segment, p.segment_states = gradients.segment_states;
    if (decay) {
      p.rows = pk;
      p.row_products = row_products + stride;
      p.read_products = row_products + 2 * stride;
      p.chunk_states = kept.mutable_data_ptr();
      p.crossing = crossing.mutable_data_ptr<double>();
    }
    run(across, p, stream);

    const DecayParts<S> parts{row_products, row_products + stride,       row_products + 2 * stride,
                              p.crossing,   static_cast<int>(row_parts), static_cast<int>(crossing_parts)};
    p.segment = across.rows;
    constexpr int kThreads = 128;
    const dim3 grid = grid_of((chunks * n.heads + kThreads / 32 - 1) / (kThreads / 32));
    S* out_decay = dlog_decay.mutable_data_ptr<S>();
    const auto kernel = across.rows == 64 ? decay_gradient<T, 64> : decay_gradient<T, 32>;
    if (!decay) {
      // The walks above left nothing for it.
    } else if (n.per_token) {
      launch(kernel, grid, kThreads, 0, stream, p, parts, out_decay, nullptr);
    } else {
      Tensor per_chunk = new_empty(log_decay, {n.heads, chunks}, ScalarType::Double);
      double* sums = per_chunk.mutable_data_ptr<double>();
      launch(kernel, grid, kThreads, 0, stream, p, parts, nullptr, sums);
      launch(sum_chunks<S>, grid_of(n.heads), 256, 0, stream, sums, chunks, out_decay);
    }

    p = make_pass(n, pk, pq, pgrad, dv.mutable_data_ptr<T>(), false, log_decay, cu_seqlens);
    p.reverse = true;
    p.scale_scores = p.scale_write = static_cast<S>(scale);
    p.scale_read = 1;
    p.first = gradients.first, p.segment = states.segment, p.segment_states = gradients.segment_states;
    p.last = initial ? dinitial.mutable_data_ptr<S>() : nullptr;
    run(upright, p, stream);
  });
  return {dq, dk, dv, dlog_decay, dinitial};
}

// Decoding: o = scale q S after S <- exp(g) S + k v^T. A block owns `4 lanes` columns of one head's state and
// takes its rows in groups; a thread has four columns of every groups-th row, reads them once, writes them
// once and adds them to the output while it has them. 2 K V elements moved, 5 K V FLOP a head.
template <typename T, bool VECTORS>
__global__ void __launch_bounds__(128)
    decode(const T* q, const T* k, const T* v, acc_t<T>* states, const acc_t<T>* log_decay, bool per_batch,
           acc_t<T> scale, T* out, int64_t heads, int depth, int width, int lanes) {
  using S = acc_t<T>;
  constexpr int kThreads = 128;
  __shared__ S sums[kThreads][4];
  __shared__ S reads[kWidest], writes[kWidest];
  const int tiles = (width + 4 * lanes - 1) / (4 * lanes), groups = kThreads / lanes;
  const int64_t task = blockIdx.x / tiles;
  const int group = threadIdx.x / lanes;
  const int column = blockIdx.x % tiles * 4 * lanes + threadIdx.x % lanes * 4;
  const double g = static_cast<double>(log_decay[per_batch ? task : task % heads]);
  const S decay = g <= 0 ? static_cast<S>(exp(g)) : static_cast<S>(nan(""));
  for (int d = threadIdx.x; d < depth; d += kThreads) {
    reads[d] = scale * static_cast<S>(q[task * depth + d]);
    writes[d] = static_cast<S>(k[task * depth + d]);
  }
  S value[4], sum[4] = {};
#pragma unroll
  for (int c = 0; c < 4; ++c)
    value[c] = column + c < width ? static_cast<S>(v[task * width + column + c]) : S(0);
  __syncthreads();
  S* state = states + task * depth * width + column;
  // A row of four: one load, or as many as there are columns.
  const auto step = [&](int d) {
    S* row = state + static_cast<int64_t>(d) * width;
    alignas(16) S cells[4];
    if constexpr (VECTORS) {
      using Vector = std::conditional_t<std::is_same_v<S, double>, double2, float4>;
      constexpr int kVectors = 4 * sizeof(S) / sizeof(Vector);
#pragma unroll
      for (int i = 0; i < kVectors; ++i)
        reinterpret_cast<Vector*>(cells)[i] = reinterpret_cast<const Vector*>(row)[i];
    } else {
#pragma unroll
      for (int c = 0; c < 4; ++c) cells[c] = column + c < width ? row[c] : S(0);
    }
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      cells[c] = decay * cells[c] + writes[d] * value[c];
      sum[c] += reads[d] * cells[c];
    }
    if constexpr (VECTORS) {
      using Vector = std::conditional_t<std::is_same_v<S, double>, double2, float4>;
      constexpr int kVectors = 4 * sizeof(S) / sizeof(Vector);
#pragma unroll
      for (int i = 0; i < kVectors; ++i)
        reinterpret_cast<Vector*>(row)[i] = reinterpret_cast<const Vector*>(cells)[i];
    } else {
#pragma unroll
      for (int c = 0; c < 4; ++c)
        if (column + c < width) row[c] = cells[c];
    }
  };
  if (column < width) {
#pragma unroll 4
    for (int d = group; d < depth; d += groups) step(d);
  }
#pragma unroll
  for (int c = 0; c < 4; ++c) sums[threadIdx.x][c] = sum[c];
  __syncthreads();
  const int mine = threadIdx.x;
  if (mine < 4 * lanes) {
    S total = 0;
    for (int other = 0; other < groups; ++other) total += sums[other * lanes + mine / 4][mine % 4];
    const int e = blockIdx.x % tiles * 4 * lanes + mine;
    if (e < width) out[task * width + e] = static_cast<T>(total);
  }
}

Tensor retention_step(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in, Tensor state,
                      const Tensor& log_decay_in, double scale) {
  const DeviceGuard guard(q_in);
  const Tensor q = contiguous(q_in), k = contiguous(k_in), v = contiguous(v_in);
  const Tensor log_decay = contiguous(log_decay_in);
  check_dims("q", q, 3);
  check_dims("v", v, 3);
  const int64_t batch = q.size(0), heads = q.size(1), key = q.size(2), value = v.size(2);
  check_shape("k", k, batch, heads, key);
  check_shape("v", v, batch, heads, value);
  check_shape("state", state, batch, heads, key, value);
  const bool per_batch = log_decay.dim() == 2;
  if (per_batch)
    check_shape("log_decay", log_decay, batch, heads);
  else
    check_shape("log_decay", log_decay, heads);
  check_kind("k", k, q, q.scalar_type());
  check_kind("v", v, q, q.scalar_type());
  check_kind("state", state, q, acc_type(q));
  check_kind("log_decay", log_decay, q, acc_type(q));
  check_width("q", key, kWidest), check_width("v", value, kWidest);
  STD_TORCH_CHECK(state.is_contiguous(), "state: is updated in place and has to be contiguous");
  Tensor o = new_empty(v, {batch, heads, value});
  const Properties device = properties(q);
  dispatch_floating(q, "retention_step", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    S* states = state.mutable_data_ptr<S>();
    // Rows of 256 bytes each, or shorter if that leaves SMs without a block.
    int lanes = 16;
    const auto blocks = [&] { return batch * heads * ((value + 4 * lanes - 1) / (4 * lanes)); };
    while (lanes > 4 && blocks() < device.multiprocessors) lanes /= 2;
    const auto kernel = value % 4 == 0 && aligned(states) ? decode<T, true> : decode<T, false>;
    launch(kernel, grid_of(blocks()), 128, 0, current_stream(q), q.const_data_ptr<T>(), k.const_data_ptr<T>(),
           v.const_data_ptr<T>(), states, log_decay.const_data_ptr<S>(), per_batch, static_cast<S>(scale),
           o.mutable_data_ptr<T>(), heads, static_cast<int>(key), static_cast<int>(value), lanes);
  });
  return o;
}

}  // namespace
}  // namespace frontier::cuda

FRONTIER_CUDA_LIBRARY(m) {
  m.impl("retention", TORCH_BOX(&frontier::cuda::retention));
  m.impl("retention_backward", TORCH_BOX(&frontier::cuda::retention_backward));
  m.impl("retention_step", TORCH_BOX(&frontier::cuda::retention_step));
}

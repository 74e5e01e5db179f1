// The expert network on the GPU: gather, first product, activation, second product, weighted sum, and back.
//
// The products are in grouped_gemm.h. Around them: one launch turns the row map into tokens and the offsets
// into a table of row tiles, so that the host never has to know how many rows an expert has; a gather-sum
// adds each token's k rows in slot order; and one warp for each slot finishes the gradient of its routing
// weight, <u, A> + <dy, b_out>, from the parts that the product left. Saved for backward are x, the
// pre-activations and the routing. Between the products go, each written once and read once: the activations
// in the tokens' type and the experts' outputs (backward: the gradient by row) in the type of sums.
// Arithmetic: 2 T k D H (1 + gated) + 2 T k H D FLOP forward, twice that backward, half of it for the
// weights' gradients, which are left out where nobody wants them.
//
// On sm_90, large problems in bfloat16 go through torch's own grouped product, whose tiles are loaded and
// multiplied by hardware units that `mma.sync` does not reach; see grouped_torch.cu.
//
// A plan that does not fit cannot raise without waiting for the device: indices that point outside are
// skipped and offsets cut to the rows there are, so that nothing foreign is read or written.

#include <array>
#include <optional>
#include <string>
#include <tuple>

#include "common/checks.h"
#include "common/experts.h"
#include "device.h"
#include "gather.h"
#include "grouped_products.h"
#include "grouped_torch.h"
#include "vector.h"

namespace {

using namespace frontier::cuda;
using frontier::acc_t;
using frontier::as_contiguous;
using frontier::data_if;
using frontier::ExpertGradients;
using frontier::Experts;
using frontier::Maps;
using frontier::NetworkSizes;
using frontier::Wanted;
using torch::headeronly::ScalarType;
using torch::stable::new_empty;
using torch::stable::Tensor;

// Block 0 writes the table of row tiles, the others each row's token.
__global__ void plan_rows(const int64_t* offsets, const int64_t* row_to_slot, int32_t* row_to_token,
                          RowTile* tiles, int64_t rows, int64_t top_k, int experts, int64_t num_tiles,
                          int tile_rows) {
  if (blockIdx.x > 0) {
    const int64_t row = static_cast<int64_t>(blockIdx.x - 1) * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const int64_t slot = row_to_slot[row];
    row_to_token[row] = slot < 0 || slot >= rows ? -1 : static_cast<int32_t>(slot / top_k);
    return;
  }
  int64_t* sums = dynamic_shared<int64_t>();  // [32]
  int* first =
      reinterpret_cast<int*>(sums + 32);  // [experts + 2], first tile of each, and how many there are
  const auto bound = [&](int e) { return e > experts ? rows : min(max(offsets[e], int64_t{0}), rows); };
  int64_t before = 0;
  for (int start = 0; start <= experts; start += blockDim.x) {
    const int e = start + threadIdx.x;
    int64_t own = 0, total;
    if (e <= experts) own = (max(bound(e + 1) - bound(e), int64_t{0}) + tile_rows - 1) / tile_rows;
    const int64_t earlier = block_exclusive_sum(own, sums, total);
    if (e <= experts) first[e] = static_cast<int>(min(before + earlier, num_tiles));
    before += total;
  }
  if (threadIdx.x == 0) first[experts + 1] = static_cast<int>(min(before, num_tiles));
  __syncthreads();
  for (int64_t t = threadIdx.x; t < num_tiles; t += blockDim.x) {
    RowTile tile{0, 0, experts};
    if (t < first[experts + 1]) {
      int low = 0, high = experts;  // the last expert whose first tile is not past t
      while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (first[middle] <= t)
          low = middle;
        else
          high = middle - 1;
      }
      const int64_t begin = bound(low) + (t - first[low]) * tile_rows;
      tile = {begin, static_cast<int32_t>(min(bound(low + 1) - begin, static_cast<int64_t>(tile_rows))), low};
    }
    tiles[t] = tile;
  }
}

// Gradient of every slot's routing weight, by one warp: the sum of its parts, and <dy, b_out>.
template <typename T, typename S>
__global__ void weight_gradient(const S* partial, int64_t parts, const T* grad, const T* bias,
                                const int64_t* offsets, const int64_t* slot_to_row, S* dweights, int64_t rows,
                                int64_t top_k, int64_t width, int experts) {
  const int lane = threadIdx.x % 32;
  const int64_t slot = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  if (slot >= rows) return;
  const int64_t row = slot_to_row[slot];
  // A row behind the last expert's is no one's, whatever a plan says.
  const bool used = row >= 0 && row < rows && row < offsets[experts];
  S sum = 0;
  if (used)
    for (int64_t p = lane; p < parts; p += 32) sum += partial[row * parts + p];
  if (used && bias) {
    int before = 0;  // experts whose rows end at or before this one
    for (int e = lane; e < experts; e += 32) before += offsets[e + 1] <= row;
    const int64_t e = min(warp_sum(before), experts - 1);
    const T* g = grad + slot / top_k * width;
    for (int64_t d = lane; d < width; d += 32)
      sum += static_cast<S>(g[d]) * static_cast<S>(bias[e * width + d]);
  }
  sum = warp_sum(sum);
  if (lane == 0) dweights[slot] = sum;
}

// Sums the columns of each expert's rows: blocks of 32 columns, eight rows at a time, the eight added in
// order. The rows are those of `from`, or the tokens' behind them with the routing weight in front.
template <typename T, typename S>
__global__ void column_sums(const T* from, const int32_t* row_to_token, const int64_t* row_to_slot,
                            const S* weights, const int64_t* offsets, T* to, int64_t rows, int64_t width) {
  S* shared = dynamic_shared<S>();  // [8, 32]
  const int tx = threadIdx.x % 32, ty = threadIdx.x / 32;
  const int64_t blocks_across = (width + 31) / 32, e = blockIdx.x / blocks_across;
  const int64_t column = blockIdx.x % blocks_across * 32 + tx;
  const int64_t begin = min(max(offsets[e], int64_t{0}), rows), end = min(max(offsets[e + 1], begin), rows);
  S sum = 0;
  if (column < width)
    for (int64_t row = begin + ty; row < end; row += 8) {
      const int64_t source = row_to_token ? row_to_token[row] : row;
      if (source < 0) continue;
      const S w = weights ? weights[row_to_slot[row]] : S(1);
      sum += w * static_cast<S>(from[source * width + column]);
    }
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (ty > 0 || column >= width) return;
  for (int i = 1; i < 8; ++i) sum += shared[i * 32 + tx];
  to[e * width + column] = static_cast<T>(sum);
}

template <typename T, typename S>
void launch_column_sums(const Network& n, const T* from, bool tokens, const S* weights, T* to,
                        int64_t width) {
  launch(column_sums<T, S>, blocks(n.experts * ((width + 31) / 32), 1), 256, 256 * sizeof(S), n.stream, from,
         tokens ? n.row_to_token : nullptr, n.row_to_slot, weights, n.offsets, to, n.rows, width);
}

// A call's sizes, from tensors whose shapes agree, and its plan on the device.
struct Plan {
  Network n;
  Tensor row_to_token, tiles;

  Plan(const Tensor& x, const Tensor& weights, const Experts& given, const Maps& maps,
       const std::string& activation_name)
      : n(NetworkSizes(x, weights, given, maps, activation_name)),
        row_to_token(new_empty(x, {0})),
        tiles(row_to_token) {
    STD_TORCH_CHECK(n.rows <= 0x7fffffff, "slot_to_row: got ", n.rows, " slots, wanted 2^31 - 1 at most");
    const auto on_device = [&x](const char* what, const Tensor& tensor) {
      frontier::check_device(what, tensor, "x", x);
    };
    on_device("weights", weights), on_device("w_in", given.w_in), on_device("w_out", given.w_out);
    on_device("offsets", maps.offsets), on_device("slot_to_row", maps.slot_to_row);
    on_device("row_to_slot", maps.row_to_slot);
    if (given.b_in) on_device("b_in", *given.b_in);
    if (given.b_out) on_device("b_out", *given.b_out);
    n.device = properties(x);
    n.stream = current_stream(x);
    n.offsets = maps.offsets.const_data_ptr<int64_t>();
    n.row_to_slot = maps.row_to_slot.const_data_ptr<int64_t>();
    maps.slot_to_row.const_data_ptr<int64_t>();  // raises if it is of another type
  }

  // Writes the plan for row tiles of this size.
  void write(const Tensor& x, TileSize size) {
    n.size = size;
    const int tile_rows = rows_of(size);
    n.num_tiles = (n.rows + tile_rows - 1) / tile_rows + n.experts + 1;
    row_to_token = new_empty(x, {n.rows}, ScalarType::Int);
    tiles = new_empty(x, {n.num_tiles, 2}, ScalarType::Long);  // of 16 bytes each
    n.row_to_token = row_to_token.const_data_ptr<int32_t>();
    n.tiles = reinterpret_cast<const RowTile*>(tiles.const_data_ptr<int64_t>());
    const size_t shared = 32 * sizeof(int64_t) + (n.experts + 2) * sizeof(int);
    STD_TORCH_CHECK(shared <= static_cast<size_t>(n.device.shared_per_block), "w_in: got ", n.experts,
                    " experts, more than this device plans for");
    launch(plan_rows, blocks(n.rows, 256) + 1, 256, shared, n.stream, n.offsets, n.row_to_slot,
           row_to_token.mutable_data_ptr<int32_t>(),
           reinterpret_cast<RowTile*>(tiles.mutable_data_ptr<int64_t>()), n.rows, n.top_k,
           static_cast<int>(n.experts), n.num_tiles, tile_rows);
  }
};

static_assert(sizeof(RowTile) == 16);

std::tuple<Tensor, Tensor> moe_mlp(const Tensor& x_in, const Tensor& weights_in, const Tensor& w_in,
                                   const Tensor& w_out, const std::optional<Tensor>& b_in,
                                   const std::optional<Tensor>& b_out, const Tensor& offsets,
                                   const Tensor& slot_to_row, const Tensor& row_to_slot,
                                   const std::string& activation) {
  const DeviceGuard guard(x_in);
  const Tensor x = as_contiguous(x_in), weights = as_contiguous(weights_in);
  const Experts given(w_in, w_out, b_in, b_out);
  const Maps maps(offsets, slot_to_row, row_to_slot);
  Plan plan(x, weights, given, maps, activation);
  Tensor y = new_empty(x, {plan.n.tokens, plan.n.width});
  Tensor pre = new_empty(x, {plan.n.rows, plan.n.inner});
  frontier::dispatch_floating(x, "moe_mlp", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const T* px = x.const_data_ptr<T>();
    const T *pi = given.w_in.const_data_ptr<T>(), *po = given.w_out.const_data_ptr<T>();
    const T *bi = data_if<T>(given.b_in), *bo = data_if<T>(given.b_out);
    const S* w = weights.const_data_ptr<S>();
    const Network& n = plan.n;
    plan.write(x, Products<T>::tile_size(n));
    Tensor active = new_empty(x, {n.rows, n.hidden}), ys = new_empty(weights, {n.rows, n.width});
    T* a = active.mutable_data_ptr<T>();
    S* out = ys.mutable_data_ptr<S>();
    if (!torchs_products(n, x) || !torchs_forward(n, x, given, maps, pre, ys)) {
      Products<T>::up(n, px, pi, bi, pre.mutable_data_ptr<T>(), a);
      Products<T>::down(n, a, po, bo, out);
    }
    launch_sum_slots<S, S, T>(out, w, maps.slot_to_row.const_data_ptr<int64_t>(), y.mutable_data_ptr<T>(),
                              n.tokens, n.top_k, n.width, n.stream);
  });
  return {y, pre};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> moe_mlp_backward(
    const Tensor& grad_in, const Tensor& x_in, const Tensor& weights_in, const Tensor& w_in,
    const Tensor& w_out, const std::optional<Tensor>& b_in, const std::optional<Tensor>& b_out,
    const Tensor& pre_in, const Tensor& offsets, const Tensor& slot_to_row, const Tensor& row_to_slot,
    const std::string& activation, bool want_x, bool want_w_in, bool want_w_out, bool want_b_in,
    bool want_b_out) {
  const DeviceGuard guard(x_in);
  const Tensor grad = as_contiguous(grad_in), x = as_contiguous(x_in), weights = as_contiguous(weights_in),
               pre = as_contiguous(pre_in);
  const Experts given(w_in, w_out, b_in, b_out);
  const Maps maps(offsets, slot_to_row, row_to_slot);
  Plan plan(x, weights, given, maps, activation);
  const Network& n = plan.n;
  frontier::check_shape("grad", grad, n.tokens, n.width);
  frontier::check_shape("pre", pre, n.rows, n.inner);
  frontier::check_device("grad", grad, "x", x);
  frontier::check_device("pre", pre, "x", x);
  const Wanted wanted(want_x, want_w_in, want_w_out, want_b_in, want_b_out, given);
  ExpertGradients to(x, weights, n, wanted);
  frontier::dispatch_floating(x, "moe_mlp_backward", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const T *px = x.const_data_ptr<T>(), *pg = grad.const_data_ptr<T>(), *pp = pre.const_data_ptr<T>();
    const T *pi = given.w_in.const_data_ptr<T>(), *po = given.w_out.const_data_ptr<T>();
    const T* bo = data_if<T>(given.b_out);
    const S* w = weights.const_data_ptr<S>();
    const int64_t* row_of = maps.slot_to_row.const_data_ptr<int64_t>();
    plan.write(x, Products<T>::tile_size(n));
    int64_t parts = Products<T>::dots(n);
    Tensor dpre = new_empty(x, {n.rows, n.inner});
    Tensor partial = new_empty(weights, {n.rows, parts});
    Tensor dxs = new_empty(weights, {wanted.x ? n.rows : 0, n.width});
    T* dp = dpre.mutable_data_ptr<T>();
    S *dots = partial.mutable_data_ptr<S>(), *dr = dxs.mutable_data_ptr<S>();
    if (torchs_products(n, x) &&
        torchs_backward(n, grad, x, weights, given, maps, pre, wanted, dxs, dpre, partial, to)) {
      parts = 1;
    } else {
      Tensor active = new_empty(x, {n.rows, n.hidden});
      T* a = active.mutable_data_ptr<T>();
      Products<T>::back_down(n, pg, po, pp, w, a, dp, dots);
      if (wanted.x) Products<T>::back_up(n, dp, pi, dr);
      if (wanted.w_in) Products<T>::weights_in(n, dp, px, to.w_in.mutable_data_ptr<T>());
      if (wanted.w_out) Products<T>::weights_out(n, pg, a, to.w_out.mutable_data_ptr<T>());
    }
    if (wanted.x)
      launch_sum_slots<S, S, T>(dr, nullptr, row_of, to.x.mutable_data_ptr<T>(), n.tokens, n.top_k, n.width,
                                n.stream);
    launch(weight_gradient<T, S>, blocks(n.rows, 8), 256, 0, n.stream, dots, parts, pg, bo, n.offsets, row_of,
           to.weights.mutable_data_ptr<S>(), n.rows, n.top_k, n.width, static_cast<int>(n.experts));
    if (wanted.b_in) launch_column_sums<T, S>(n, dp, false, nullptr, to.b_in.mutable_data_ptr<T>(), n.inner);
    if (wanted.b_out) launch_column_sums<T, S>(n, pg, true, w, to.b_out.mutable_data_ptr<T>(), n.width);
  });
  return {to.x, to.weights, to.w_in, to.w_out, to.b_in, to.b_out};
}

}  // namespace

FRONTIER_CUDA_LIBRARY(m) {
  m.impl("moe_mlp", TORCH_BOX(&moe_mlp));
  m.impl("moe_mlp_backward", TORCH_BOX(&moe_mlp_backward));
}

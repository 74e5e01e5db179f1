// One walk over retention's sequences, the shape of all four products of forward and backward:
//
//   out_i = sum over j of D_ij (x_i . y_j) z_j + read_i (x_i S)      S <- decay S + sum over j of write_j y_j
//   z_j^T
//
//   forward in time (j <= i):   O  from x = q,  y = k,  z = v         dQ from x = dO, y = v,  z = k
//   backward in time (j >= i):  dK from x = v,  y = dO, z = q         dV from x = k,  y = q,  z = dO
//
// With a the sums of log decays from a chunk's start, D_ij = exp(-|a_i - a_j|); forward read_i = exp(a_i) and
// write_j = exp(a_last - a_j), backward the other way round; decay = exp(a_last). S is the state where the
// walk goes forward (transposed for dQ) and the state's gradient where it goes backward.
//
// A sequence is cut into segments of whole chunks, one block each (and one for each head and each tile of
// z's columns): many segments when few heads would leave the device idle, one when they fill it. With more
// than one, a first walk sums each segment's state from zero, and a scan over segments makes the states that
// they begin with; memory moved besides inputs and outputs is 3 to 4 K V elements a segment and head.
//
// Segments, and chunks, of sequence n are numbered from floor(start_n / length) + n, so that a grid sized
// from the tensors' shapes covers them all, wherever cu_seqlens puts the bounds, and the host never reads
// those.

#pragma once

#include "common/constants.h"
#include "common/dtypes.h"
#include "device.h"

namespace frontier::cuda {

template <typename T>
struct Pass {
  using S = acc_t<T>;

  // [tokens, heads, depth] for x and y, [tokens, heads, width] for z and out.
  const T *x, *y, *z;
  T* out;
  const S* log_decay;  // [heads], or [tokens, heads] if per_token
  const int64_t* cu_seqlens;
  int64_t sequences, time, tokens, heads;
  int depth, width;
  int64_t segment;  // tokens in a segment, a multiple of a chunk
  bool per_token, reverse, vectors;
  bool sums_only;  // no outputs: only the sum of each segment's state from zero
  S scale_scores, scale_read, scale_write;

  // States [.., heads, depth, width], element (d, e) at d * stride_depth + e * stride_width.
  int64_t stride_depth, stride_width;
  const S* first;          // [sequences], zero if null
  S* last;                 // [sequences], not wanted if null
  S* segment_states;       // [segments], null if there is one for each sequence
  double* segment_decays;  // [segments, heads], written by the walk that only sums states

  // The decay's gradient, if `rows` is not null: row i of `rows` [tokens, heads, width] times row i of out,
  // without the pair i, i, in parts that cover some columns each: [parts, heads, tokens].
  const T* rows;
  S *row_products, *read_products;  // of the whole row, of what was read from the state; the last may be null
  void* chunk_states;  // the forward walk keeps its states here, in an order of the kernel's own …
  double* crossing;    // … and the backward one sums their products: [parts, heads, chunks]

  __host__ __device__ int64_t state_size() const { return static_cast<int64_t>(depth) * width; }

  __device__ int64_t start(int64_t n) const {
    if (!cu_seqlens) return n * time;
    // Bounds out of range follow no pointer past an end.
    const int64_t bound = cu_seqlens[n];
    return bound < 0 ? 0 : bound > tokens ? tokens : bound;
  }

  // Blocks, or slots of memory, that hold all pieces of `length` tokens.
  __host__ __device__ int64_t slots(int64_t length) const { return tokens / length + sequences; }
  __device__ int64_t slot(int64_t n, int64_t length) const { return start(n) / length + n; }
};

// Tokens that one block walks over: those of one segment.
struct Segment {
  int64_t sequence, begin, end;  // of tokens; begin = end in a sequence without any
  bool opens, closes;            // whether the sequence's walk begins here, ends here
  int64_t chunk_slot;            // of the chunk that begins at `begin`
};

template <typename T>
__device__ bool find_segment(const Pass<T>& p, int64_t slot, int64_t chunk, Segment& found) {
  int64_t low = 0, high = p.sequences - 1;  // the last sequence whose slots begin at `slot` or before
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (p.slot(middle, p.segment) <= slot)
      low = middle;
    else
      high = middle - 1;
  }
  const int64_t start = p.start(low), stop = p.start(low + 1);
  const int64_t index = slot - p.slot(low, p.segment);
  const int64_t begin = start + index * p.segment;
  if (index > 0 && begin >= stop) return false;
  const bool first = index == 0, last = begin + p.segment >= stop;
  found.sequence = low;
  found.begin = begin;
  found.end = last ? (stop > begin ? stop : begin) : begin + p.segment;
  found.opens = p.reverse ? last : first;
  found.closes = p.reverse ? first : last;
  found.chunk_slot = p.slot(low, chunk) + index * (p.segment / chunk);
  return true;
}

// A sum of log decays, base 2. Two floats hold it where sums are float: after a strong decay the difference
// of two large numbers has to give a small one.
template <typename S>
struct Clock;

template <>
struct Clock<float> {
  float high, low;

  __device__ static Clock of(double a) {
    const float high = static_cast<float>(a);
    return {high, static_cast<float>(a - static_cast<double>(high))};
  }
  // 2 to the power of the time from `before` to here, at most 1; NaN stays NaN.
  __device__ float since(const Clock& before) const {
    const float span = (high - before.high) + (low - before.low);
    return exp2f(span > 0 ? 0.0f : span);
  }
};

template <>
struct Clock<double> {
  double time;

  __device__ static Clock of(double a) { return {a}; }
  __device__ double since(const Clock& before) const {
    const double span = time - before.time;
    return exp2(span > 0 ? 0.0 : span);
  }
};

// A state's decay over some time, applied as what is lost where that is little: the rounding of a factor
// close to one would be the same in every chunk, and in a long memory add up.
template <typename S>
struct StateDecay {
  S kept, change;  // kept is 0 or 1

  // From a log decay, base 2.
  __device__ static StateDecay of(double a) {
    const bool little = a > -1;
    return {little ? S(1) : S(0), static_cast<S>(little ? expm1(a * 0.6931471805599453) : exp2(a))};
  }
  __device__ S operator()(S state) const { return kept * state + change * state; }
};

// The factors of one chunk, in shared memory.
template <typename S, int ROWS>
struct DecayFactors {
  Clock<S> clock[ROWS];
  S read[ROWS], write[ROWS];
  StateDecay<S> state;
};

template <typename T>
__device__ double log_decay_at(const Pass<T>& p, int64_t token, int64_t head) {
  const double g = static_cast<double>(p.log_decay[p.per_token ? token * p.heads + head : head]);
  // What is not a decay makes everything after it NaN: the host cannot look without waiting for the device.
  if (!(g <= 0)) return nan("");
  return (g < kForgotten ? kForgotten : g) * 1.4426950408889634;
}

// Fills `factors` for the chunk of `count` tokens from `first`; called by one whole warp.
template <int ROWS, typename T>
__device__ void fill_decay_factors(const Pass<T>& p, int64_t first, int count, int64_t head,
                                   DecayFactors<acc_t<T>, ROWS>& factors) {
  constexpr int kEach = ROWS / 32;
  const int lane = threadIdx.x % 32;
  double own[kEach], sum = 0;
#pragma unroll
  for (int e = 0; e < kEach; ++e) {
    const int row = lane * kEach + e;
    if (row < count) sum += log_decay_at(p, first + row, head);
    own[e] = sum;
  }
  double before = sum;
#pragma unroll
  for (int offset = 1; offset < 32; offset *= 2) {
    const double other = __shfl_up_sync(kWholeWarp, before, offset);
    if (lane >= offset) before += other;
  }
  const double total = __shfl_sync(kWholeWarp, before, 31);
  before -= sum;
  using C = Clock<acc_t<T>>;
  const C zero = C::of(0), end = C::of(total);
#pragma unroll
  for (int e = 0; e < kEach; ++e) {
    const int row = lane * kEach + e;
    const C now = C::of(before + own[e]);
    const acc_t<T> since = now.since(zero), left = end.since(now);
    factors.clock[row] = now;
    factors.read[row] = p.scale_read * (p.reverse ? left : since);
    factors.write[row] = p.scale_write * (p.reverse ? since : left);
  }
  if (lane == 0) factors.state = StateDecay<acc_t<T>>::of(total);
}

// Copies the `used` first of columns [column, column + COLUMNS) of `count` rows of one head of [tokens,
// heads, width] to shared rows of `stride` elements, with zeros past the ends. As asynchronous copies if
// `vectors`: then rows begin and end on 16 bytes.
template <int ROWS, int COLUMNS, int THREADS, typename T>
__device__ void copy_rows(const Pass<T>& p, const T* from, int width, int64_t first, int count, int64_t head,
                          int column, int used, T* to, int stride) {
  const T* origin = from + (first * p.heads + head) * width + column;
  const int64_t row_stride = p.heads * width;
  const int left = width - column;
  constexpr int kVector = 16 / sizeof(T), kAcross = COLUMNS / kVector;
  if (p.vectors) {
    for (int i = threadIdx.x; i < ROWS * kAcross; i += THREADS) {
      const int row = i / kAcross, c = i % kAcross * kVector;
      if (c >= used) continue;
      const bool valid = row < count && c < left;
      cp_async(to + row * stride + c, valid ? origin + row * row_stride + c : from, valid);
    }
  } else {
    for (int i = threadIdx.x; i < ROWS * COLUMNS; i += THREADS) {
      const int row = i / COLUMNS, c = i % COLUMNS;
      if (c >= used) continue;
      to[row * stride + c] = row < count && c < left ? origin[row * row_stride + c] : static_cast<T>(0.0f);
    }
  }
}

// Sums log decays over a segment, for the walk that only sums states; called by one whole warp.
template <typename T>
__device__ void sum_segment_decay(const Pass<T>& p, const Segment& s, int64_t slot, int64_t head) {
  double sum = 0;
  for (int64_t t = s.begin + threadIdx.x % 32; t < s.end; t += 32) sum += log_decay_at(p, t, head);
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) p.segment_decays[slot * p.heads + head] = sum;
}

// Where the state that a segment begins with lies; null if it is zero.
template <typename T>
__device__ const acc_t<T>* state_before(const Pass<T>& p, const Segment& s, int64_t slot, int64_t head) {
  if (p.sums_only) return nullptr;
  if (s.opens) return p.first ? p.first + (s.sequence * p.heads + head) * p.state_size() : nullptr;
  return p.segment_states + (slot * p.heads + head) * p.state_size();
}

// Where the state that a segment ends with goes; null if nobody wants it.
template <typename T>
__device__ acc_t<T>* state_after(const Pass<T>& p, const Segment& s, int64_t slot, int64_t head) {
  if (p.sums_only) return p.segment_states + (slot * p.heads + head) * p.state_size();
  return s.closes && p.last ? p.last + (s.sequence * p.heads + head) * p.state_size() : nullptr;
}

}  // namespace frontier::cuda

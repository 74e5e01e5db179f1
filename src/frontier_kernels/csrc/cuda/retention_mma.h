// A walk of retention_pass.h on tensor cores, for float16 and bfloat16.
//
// A block has WARPS warps and owns 16 WARPS of z's columns. Each warp keeps its 16 columns of the state, all
// DEPTH rows of them, transposed, in the registers where the tensor core accumulates it: that is the layout
// in which the same core takes it as the right factor of x S, so the state never passes through shared memory
// and stays float from a segment's first chunk to its last. A chunk of ROWS tokens is four products, in 16 x
// 16 blocks of which those above the causal diagonal are left out:
//
//   scores = x y^T, times D, rounded to T, to shared memory      ROWS^2 DEPTH / 2     shared by all warps
//   out    = (x S) read + scores z                               ROWS DEPTH 16 WARPS + ROWS^2 8 WARPS
//   state  = decay state + (write z)^T y                          ROWS DEPTH 32 WARPS   twice: see below
//
// What lies on the diagonal itself, D_ii = 1, is added in float: so the decay's gradient, which has no part
// in it, does not drown in it where decays are strong. Rows of shared memory are padded by 16 bytes, which
// puts the eight rows of a matrix load into different banks. With two stages the next chunk is on its way
// while this one is multiplied; with one, other blocks on the same SM hide the way.
//
// Rounded to T are the scores and the state as a factor of x S; a state beyond float16's 65504 therefore
// overflows, as an output of that size would. What is added to the state is not rounded: write z is the sum
// of two elements of T.

#pragma once

#include "retention_pass.h"

namespace frontier::cuda {

// The word's two elements of T, zero where they are infinite or NaN.
template <typename T>
__device__ __forceinline__ uint32_t finite_part(uint32_t word) {
  constexpr uint32_t kExponent = std::is_same_v<T, Half> ? 0x7c00u : 0x7f80u;
  const uint32_t low = (word & kExponent) == kExponent ? 0u : word & 0xffffu;
  const uint32_t high = (word >> 16 & kExponent) == kExponent ? 0u : word & 0xffff0000u;
  return low | high;
}

template <typename T, int DEPTH, int WARPS, int ROWS>
struct MmaShape {
  static constexpr int kThreads = 32 * WARPS, kWidth = 16 * WARPS;
  static constexpr int kDeep = DEPTH + 8, kWide = kWidth + 8, kScores = ROWS + 8;  // strides of shared rows
  static constexpr int kRowTiles = ROWS / 16;
  static constexpr int kColumnGroups = WARPS / kRowTiles;         // warps that share a row tile of the scores
  static constexpr int kColumnTiles = ROWS / 16 / kColumnGroups;  // 16 x 16 blocks of a warp's scores
  static constexpr int kStage = ROWS * (2 * kDeep + kWide);       // elements
  static_assert(WARPS % kRowTiles == 0 && kColumnTiles >= 1);

  // Blocks that an SM's 65536 registers should hold; a state of depth 256 alone takes half of a thread's 255.
  static constexpr int kBlocks = DEPTH == 256 ? 8 / WARPS : DEPTH == 64 && WARPS == 4 ? 3 : 2;

  struct Rest {
    T scores[ROWS * kScores];
    float diagonal[ROWS];
    DecayFactors<float, ROWS> factors;
  };
  static constexpr size_t shared_bytes(int stages) { return stages * kStage * sizeof(T) + sizeof(Rest); }
};

template <typename T, int DEPTH, int WARPS, int ROWS>
__global__ void __launch_bounds__(32 * WARPS, (MmaShape<T, DEPTH, WARPS, ROWS>::kBlocks))
    mma_walk(const Pass<T> p, int num_stages) {
  using Shape = MmaShape<T, DEPTH, WARPS, ROWS>;
  constexpr int kThreads = Shape::kThreads, kDeep = Shape::kDeep, kWide = Shape::kWide;
  constexpr int kScores = Shape::kScores, kRowTiles = Shape::kRowTiles, kSteps = DEPTH / 16;
  const int tiles = (p.width + Shape::kWidth - 1) / Shape::kWidth;
  const int tile = blockIdx.x % tiles;
  const int64_t head = blockIdx.x / tiles % p.heads, slot = blockIdx.x / tiles / p.heads;
  Segment segment;
  if (!find_segment(p, slot, ROWS, segment)) return;
  // The segment that ends a walk begins no other.
  if (p.sums_only && segment.closes) return;

  T* stages = dynamic_shared<T>();
  auto& rest = *reinterpret_cast<typename Shape::Rest*>(stages + num_stages * Shape::kStage);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int column = tile * Shape::kWidth;  // of the block's columns, the first
  const int own = column + 16 * warp;       // of the warp's
  const int part = tile * WARPS + warp;

  // state[s][half][i]: rows 16 s + 8 half + 2 t + i % 2 of the state, column own + g + 8 (i / 2).
  float state[kSteps][2][4] = {};
  bool empty = true;
  const auto at_state = [&](auto&& act) {
#pragma unroll
    for (int s = 0; s < kSteps; ++s)
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int d = 16 * s + 8 * half + 2 * t + i % 2, e = own + g + 8 * (i / 2);
          if (d < p.depth && e < p.width) act(state[s][half][i], d * p.stride_depth + e * p.stride_width);
        }
  };
  if (const float* from = state_before(p, segment, slot, head)) {
    at_state([&](float& value, int64_t offset) { value = from[offset]; });
    empty = false;
  }

  const int chunks = static_cast<int>((segment.end - segment.begin + ROWS - 1) / ROWS);
  const auto chunk_at = [&](int step) { return p.reverse ? chunks - 1 - step : step; };
  const auto fetch = [&](int step) {
    T* stage = stages + step % num_stages * Shape::kStage;
    const int64_t first = segment.begin + static_cast<int64_t>(chunk_at(step)) * ROWS;
    const int count = static_cast<int>(min(segment.end - first, static_cast<int64_t>(ROWS)));
    const int used = (p.depth + 15) / 16 * 16;  // products take the depth by 16
    if (!p.sums_only)
      copy_rows<ROWS, DEPTH, kThreads>(p, p.x, p.depth, first, count, head, 0, used, stage, kDeep);
    copy_rows<ROWS, DEPTH, kThreads>(p, p.y, p.depth, first, count, head, 0, used, stage + ROWS * kDeep,
                                     kDeep);
    copy_rows<ROWS, Shape::kWidth, kThreads>(p, p.z, p.width, first, count, head, column, Shape::kWidth,
                                             stage + 2 * ROWS * kDeep, kWide);
  };
  if (num_stages == 2 && chunks > 0) fetch(0);
  cp_async_commit();

  for (int step = 0; step < chunks; ++step) {
    const int chunk = chunk_at(step);
    const int64_t first = segment.begin + static_cast<int64_t>(chunk) * ROWS;
    const int count = static_cast<int>(min(segment.end - first, static_cast<int64_t>(ROWS)));
    if (num_stages == 1 || step + 1 < chunks) fetch(step + num_stages - 1);
    cp_async_commit();
    if (warp == 0) fill_decay_factors<ROWS>(p, first, count, head, rest.factors);
    if (num_stages == 2)
      cp_async_wait<1>();
    else
      cp_async_wait<0>();
    __syncthreads();
    const T* x = stages + step % num_stages * Shape::kStage;
    const T *y = x + ROWS * kDeep, *z = y + ROWS * kDeep;
    const auto& factors = rest.factors;
    // Whether block (i, j) of the scores holds pairs of this walk.
    const auto holds = [&](int i, int j) {
      return 16 * i < count && 16 * j < count && (p.reverse ? j >= i : j <= i);
    };

    if (!p.sums_only) {
      const int row_tile = warp % kRowTiles, first_tile = warp / kRowTiles * Shape::kColumnTiles;
      float scores[Shape::kColumnTiles][2][4] = {};
#pragma unroll 2
      for (int s = 0; 16 * s < p.depth; ++s) {
        uint32_t left[4];
        ldmatrix_x4(left, x + (16 * row_tile + lane % 16) * kDeep + 16 * s + lane / 16 * 8);
#pragma unroll
        for (int c = 0; c < Shape::kColumnTiles; ++c) {
          if (!holds(row_tile, first_tile + c)) continue;
          uint32_t right[4];
          ldmatrix_x4(right, y + (16 * (first_tile + c) + lane / 16 * 8 + lane % 8) * kDeep + 16 * s +
                                 lane / 8 % 2 * 8);
          mma_m16n8k16<T>(scores[c][0], left, {right[0], right[1]});
          mma_m16n8k16<T>(scores[c][1], left, {right[2], right[3]});
        }
      }
#pragma unroll
      for (int c = 0; c < Shape::kColumnTiles; ++c) {
        if (!holds(row_tile, first_tile + c)) continue;
#pragma unroll
        for (int half = 0; half < 2; ++half)
#pragma unroll
          for (int k = 0; k < 2; ++k) {
            const int i = 16 * row_tile + g + 8 * k, j = 16 * (first_tile + c) + 8 * half + 2 * t;
            float pair[2];
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              const float score = p.scale_scores * scores[c][half][2 * k + e];
              const int later = p.reverse ? j + e - i : i - j - e;
              pair[e] = 0;
              if (later == 0) rest.diagonal[i] = score;
              if (later > 0)
                pair[e] = score * (p.reverse ? factors.clock[j + e].since(factors.clock[i])
                                             : factors.clock[i].since(factors.clock[j + e]));
            }
            *reinterpret_cast<uint32_t*>(rest.scores + i * kScores + j) = pack<T>(pair[0], pair[1]);
          }
      }
      __syncthreads();

      // Of the state that a chunk begins with, each thread keeps its own registers and finds them again.
      uint4* kept = static_cast<uint4*>(p.chunk_states);
      if (kept)
        kept += (((segment.chunk_slot + chunk) * p.heads + head) * tiles + tile) * kSteps * kThreads +
                threadIdx.x;
      if (kept && p.reverse) {
        double sum = 0;
#pragma unroll
        for (int s = 0; s < kSteps; ++s) {
          if (16 * s >= p.depth) break;
          const uint4 words = kept[s * kThreads];
          float step_sum = 0;
#pragma unroll
          for (int half = 0; half < 2; ++half)
#pragma unroll
            for (int n = 0; n < 2; ++n) {
              const uint32_t word = n == 0 ? (half == 0 ? words.x : words.y) : half == 0 ? words.z : words.w;
              step_sum += state[s][half][2 * n] * unpack<T>(word, 0);
              step_sum += state[s][half][2 * n + 1] * unpack<T>(word, 1);
            }
          sum += step_sum;
        }
        sum = warp_sum(sum);
        if (lane == 0)
          p.crossing[(part * p.heads + head) * p.slots(ROWS) + segment.chunk_slot + chunk] =
              factors.state(1) * sum;
      }

      float out[kRowTiles][2][4] = {};
      if (!empty || (kept && !p.reverse)) {
#pragma unroll
        for (int s = 0; s < kSteps; ++s) {
          if (16 * s >= p.depth) break;
          uint32_t right[2][2];  // of columns own … own + 7 and the next eight, rows in two halves
#pragma unroll
          for (int n = 0; n < 2; ++n)
#pragma unroll
            for (int half = 0; half < 2; ++half)
              right[n][half] = pack<T>(state[s][half][2 * n], state[s][half][2 * n + 1]);
          if (kept && !p.reverse)
            kept[s * kThreads] = make_uint4(right[0][0], right[0][1], right[1][0], right[1][1]);
#pragma unroll
          for (int m = 0; m < kRowTiles; ++m) {
            if (16 * m >= count) break;
            uint32_t left[4];
            ldmatrix_x4(left, x + (16 * m + lane % 16) * kDeep + 16 * s + lane / 16 * 8);
            mma_m16n8k16<T>(out[m][0], left, right[0]);
            mma_m16n8k16<T>(out[m][1], left, right[1]);
          }
        }
      }
      // Products with the rows that the decay's gradient wants, over the warp's columns.
      const bool row_pairs = p.width % 2 == 0 && reinterpret_cast<uintptr_t>(p.rows) % 4 == 0;
      const auto multiply_rows = [&](float* products) {
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m)
#pragma unroll
          for (int k = 0; k < 2; ++k) {
            const int i = 16 * m + g + 8 * k;
            float sum = 0;
            if (i < count) {
              const T* row = p.rows + ((first + i) * p.heads + head) * p.width;
#pragma unroll
              for (int n = 0; n < 2; ++n) {
                const int c = own + 8 * n + 2 * t;
                if (row_pairs && c < p.width) {
                  const uint32_t word = *reinterpret_cast<const uint32_t*>(row + c);
                  sum += out[m][n][2 * k] * unpack<T>(word, 0) + out[m][n][2 * k + 1] * unpack<T>(word, 1);
                } else {
                  if (c < p.width) sum += out[m][n][2 * k] * static_cast<float>(row[c]);
                  if (c + 1 < p.width) sum += out[m][n][2 * k + 1] * static_cast<float>(row[c + 1]);
                }
              }
            }
            sum = warp_sum<4>(sum);
            if (t == 0 && i < count) products[(part * p.heads + head) * p.tokens + first + i] = sum;
          }
      };
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m)
#pragma unroll
        for (int n = 0; n < 2; ++n)
#pragma unroll
          for (int i = 0; i < 4; ++i) out[m][n][i] *= factors.read[16 * m + g + 8 * (i / 2)];
      if (p.rows && p.read_products) multiply_rows(p.read_products);
      // Blocks along the summed rows are a loop as it stands: unrolled, it would want more registers than
      // there are.
#pragma unroll 1
      for (int b = 0; 16 * b < count; ++b) {
        uint32_t right[4], finite[4];
        ldmatrix_x4_trans(right, z + (16 * b + lane % 16) * kWide + 16 * warp + lane / 16 * 8);
        // Zero times what is not finite is not zero: where a block holds pairs and others, a row would see
        // rows that it has no pair with.
        bool whole = true;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          finite[i] = finite_part<T>(right[i]);
          whole = whole && finite[i] == right[i];
        }
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m) {
          if (!holds(m, b)) continue;
          uint32_t left[4];
          ldmatrix_x4(left, rest.scores + (16 * m + lane % 16) * kScores + 16 * b + lane / 16 * 8);
          const auto word = [&](int i) { return m == b ? finite[i] : right[i]; };
          mma_m16n8k16<T>(out[m][0], left, {word(0), word(1)});
          mma_m16n8k16<T>(out[m][1], left, {word(2), word(3)});
        }
        if (__all_sync(kWholeWarp, whole)) continue;
#pragma unroll 1
        for (int j = 0; j < 16; ++j)
#pragma unroll
          for (int m = 0; m < kRowTiles; ++m)
#pragma unroll
            for (int n = 0; n < 2; ++n)
#pragma unroll
              for (int i = 0; i < 4; ++i) {
                const int row = g + 8 * (i / 2);
                if (m == b && (p.reverse ? row < j : row > j))
                  out[m][n][i] +=
                      0 * static_cast<float>(z[(16 * b + j) * kWide + 16 * warp + 8 * n + 2 * t + i % 2]);
              }
      }
      if (p.rows) multiply_rows(p.row_products);
      const bool pairs = p.width % 2 == 0;
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m)
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          const int i = 16 * m + g + 8 * k;
          if (i >= count) continue;
          T* row = p.out + ((first + i) * p.heads + head) * p.width;
#pragma unroll
          for (int n = 0; n < 2; ++n) {
            const int c = 8 * n + 2 * t;
            const T* here = z + i * kWide + 16 * warp + c;
            const float low = out[m][n][2 * k] + rest.diagonal[i] * static_cast<float>(here[0]);
            const float high = out[m][n][2 * k + 1] + rest.diagonal[i] * static_cast<float>(here[1]);
            if (pairs && own + c < p.width) {
              *reinterpret_cast<uint32_t*>(row + own + c) = pack<T>(low, high);
            } else {
              if (own + c < p.width) row[own + c] = static_cast<T>(low);
              if (own + c + 1 < p.width) row[own + c + 1] = static_cast<T>(high);
            }
          }
        }
    }

    const StateDecay<float> decay = factors.state;
#pragma unroll
    for (int s = 0; s < kSteps; ++s)
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int i = 0; i < 4; ++i) state[s][half][i] = decay(state[s][half][i]);
#pragma unroll 1
    for (int b = 0; 16 * b < count; ++b) {
      // z^T: columns g and g + 8 of the warp's, rows 2 t and 2 t + 8 of the block, and the next. Weighed by
      // the decay they are more than T holds: what rounding leaves makes a second product.
      uint32_t words[4], left[4], rounded_off[4];
      ldmatrix_x4_trans(words,
                        z + (16 * b + lane / 16 * 8 + lane % 8) * kWide + 16 * warp + lane / 8 % 2 * 8);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float* write = factors.write + 16 * b + 2 * t + i / 2 * 8;
        const float low = unpack<T>(words[i], 0) * write[0], high = unpack<T>(words[i], 1) * write[1];
        left[i] = pack<T>(low, high);
        rounded_off[i] = pack<T>(low - unpack<T>(left[i], 0), high - unpack<T>(left[i], 1));
      }
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
        if (16 * s >= p.depth) break;
        uint32_t right[4];
        ldmatrix_x4_trans(right, y + (16 * b + lane % 16) * kDeep + 16 * s + lane / 16 * 8);
        mma_m16n8k16<T>(state[s][0], left, {right[0], right[1]});
        mma_m16n8k16<T>(state[s][1], left, {right[2], right[3]});
        mma_m16n8k16<T>(state[s][0], rounded_off, {right[0], right[1]});
        mma_m16n8k16<T>(state[s][1], rounded_off, {right[2], right[3]});
      }
    }
    empty = false;
    __syncthreads();
  }

  if (float* to = state_after(p, segment, slot, head))
    at_state([&](float& value, int64_t offset) { to[offset] = value; });
  if (p.sums_only && tile == 0 && warp == 0) sum_segment_decay(p, segment, slot, head);
}

}  // namespace frontier::cuda

// A walk of retention_pass.h on plain multiply-adds: float32 and float64, and bfloat16 on sm_75.
//
// A block of a square of threads owns WIDTH of z's columns and keeps the state's in shared memory. A chunk of
// ROWS tokens takes the depth in slabs of 32: each slab of x and y is read once for scores and x S together,
// and y's once more for the state; a thread keeps a grid of 4 x 4 sums in registers, so an element from
// shared memory serves four multiply-adds. Sums over the depth, over tokens and over chunks are all of type
// acc_t<T>.

#pragma once

#include "retention_pass.h"

namespace frontier::cuda {

template <typename T, int ROWS, int WIDTH>
struct FmaShape {
  using S = acc_t<T>;
  static constexpr int kSlab = 32;
  static constexpr int kSide = ROWS / 4;  // threads along rows, and along columns
  static constexpr int kThreads = kSide * kSide;
  static constexpr int kAcross = WIDTH / kSide;  // columns of a thread
  static constexpr int kDown = kSlab / kSide;    // rows of a slab of the state
  static constexpr int kDeep = kSlab + 1;  // strides of shared rows: odd, so a column is free of conflicts
  static constexpr int kWide = WIDTH + 1, kScores = ROWS + 1;
  static_assert(kThreads % 32 == 0 && WIDTH % kSide == 0 && kSlab % kSide == 0);

  static constexpr int padded(int depth) { return (depth + kSlab - 1) / kSlab * kSlab; }

  struct Rest {
    S x[ROWS * kDeep], y[ROWS * kDeep], z[ROWS * kWide], scores[ROWS * kScores];
    DecayFactors<S, ROWS> factors;
  };
  static size_t shared_bytes(int depth) { return sizeof(Rest) + padded(depth) * WIDTH * sizeof(S); }
};

template <typename T, int ROWS, int WIDTH>
__global__ void __launch_bounds__(FmaShape<T, ROWS, WIDTH>::kThreads) fma_walk(const Pass<T> p, int) {
  using Shape = FmaShape<T, ROWS, WIDTH>;
  using S = acc_t<T>;
  constexpr int kThreads = Shape::kThreads, kSide = Shape::kSide, kSlab = Shape::kSlab;
  constexpr int kAcross = Shape::kAcross, kDown = Shape::kDown;
  constexpr int kDeep = Shape::kDeep, kWide = Shape::kWide, kScores = Shape::kScores;
  const int tiles = (p.width + WIDTH - 1) / WIDTH;
  const int tile = blockIdx.x % tiles;
  const int64_t head = blockIdx.x / tiles % p.heads, slot = blockIdx.x / tiles / p.heads;
  Segment segment;
  if (!find_segment(p, slot, ROWS, segment)) return;
  // The segment that ends a walk begins no other.
  if (p.sums_only && segment.closes) return;

  auto& shared = *dynamic_shared<typename Shape::Rest>();
  S* state = reinterpret_cast<S*>(&shared + 1);  // [padded depth, WIDTH]
  const int down = threadIdx.x / kSide, across = threadIdx.x % kSide;
  const int column = tile * WIDTH, left = p.width - column, slabs = (p.depth + kSlab - 1) / kSlab;
  const int warp = threadIdx.x / 32, warps = kThreads / 32, cells = slabs * kSlab * WIDTH;

  const S* from = state_before(p, segment, slot, head);
  bool empty = !from;
  for (int i = threadIdx.x; i < cells; i += kThreads) {
    const int d = i / WIDTH, e = i % WIDTH;
    state[i] =
        from && d < p.depth && e < left ? from[d * p.stride_depth + (column + e) * p.stride_width] : S(0);
  }

  const int chunks = static_cast<int>((segment.end - segment.begin + ROWS - 1) / ROWS);
  for (int step = 0; step < chunks; ++step) {
    const int chunk = p.reverse ? chunks - 1 - step : step;
    const int64_t first = segment.begin + static_cast<int64_t>(chunk) * ROWS;
    const int count = static_cast<int>(min(segment.end - first, static_cast<int64_t>(ROWS)));
    // Columns [begin, begin + COLUMNS) of the chunk's rows as sums, zeros past the ends.
    const auto load = [&](const T* rows, int width, int begin, auto columns, S* to, int stride) {
      constexpr int kColumns = decltype(columns)::value;
      const T* origin = rows + (first * p.heads + head) * width + begin;
      for (int i = threadIdx.x; i < ROWS * kColumns; i += kThreads) {
        const int row = i / kColumns, c = i % kColumns;
        to[row * stride + c] =
            row < count && begin + c < width ? static_cast<S>(origin[row * p.heads * width + c]) : S(0);
      }
    };
    using SlabColumns = std::integral_constant<int, kSlab>;
    if (warp == 0) fill_decay_factors<ROWS>(p, first, count, head, shared.factors);
    load(p.z, p.width, column, std::integral_constant<int, WIDTH>{}, shared.z, kWide);
    __syncthreads();
    const auto& factors = shared.factors;

    if (!p.sums_only) {
      const int64_t kept_at = (((segment.chunk_slot + chunk) * p.heads + head) * tiles + tile) * cells;
      S* kept = p.chunk_states ? static_cast<S*>(p.chunk_states) + kept_at : nullptr;
      if (kept && !p.reverse)
        for (int i = threadIdx.x; i < cells; i += kThreads) kept[i] = state[i];
      if (kept && p.reverse) {
        double sum = 0;
        for (int i = threadIdx.x; i < cells; i += kThreads)
          sum += static_cast<double>(kept[i]) * static_cast<double>(state[i]);
        sum = warp_sum(sum);
        if (threadIdx.x % 32 == 0)
          p.crossing[((tile * warps + warp) * p.heads + head) * p.slots(ROWS) + segment.chunk_slot + chunk] =
              sum * static_cast<double>(factors.state(1));
      }

      S scores[4][4] = {}, read[4][kAcross] = {};
      for (int slab = 0; slab < slabs; ++slab) {
        __syncthreads();
        load(p.x, p.depth, slab * kSlab, SlabColumns{}, shared.x, kDeep);
        load(p.y, p.depth, slab * kSlab, SlabColumns{}, shared.y, kDeep);
        __syncthreads();
        const S* rows = state + slab * kSlab * WIDTH;
#pragma unroll 4
        for (int d = 0; d < kSlab; ++d) {
          S x[4], y[4], s[kAcross];
#pragma unroll
          for (int r = 0; r < 4; ++r) x[r] = shared.x[(down + kSide * r) * kDeep + d];
#pragma unroll
          for (int c = 0; c < 4; ++c) y[c] = shared.y[(across + kSide * c) * kDeep + d];
#pragma unroll
          for (int c = 0; c < kAcross; ++c) s[c] = rows[d * WIDTH + across + kSide * c];
#pragma unroll
          for (int r = 0; r < 4; ++r) {
#pragma unroll
            for (int c = 0; c < 4; ++c) scores[r][c] += x[r] * y[c];
#pragma unroll
            for (int c = 0; c < kAcross; ++c) read[r][c] += x[r] * s[c];
          }
        }
      }
      S diagonal[4] = {};
#pragma unroll
      for (int r = 0; r < 4; ++r)
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          const int i = down + kSide * r, j = across + kSide * c, later = p.reverse ? j - i : i - j;
          S score = 0;
          if (later > 0)
            score = p.scale_scores * scores[r][c] *
                    (p.reverse ? factors.clock[j].since(factors.clock[i])
                               : factors.clock[i].since(factors.clock[j]));
          // The diagonal is kept apart: the decay's gradient has no part in it.
          if (later == 0) score = p.scale_scores * scores[r][c];
          shared.scores[i * kScores + j] = score;
        }
      __syncthreads();
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const int i = down + kSide * r;
        diagonal[r] = shared.scores[i * kScores + i];
      }

      S out[4][kAcross] = {};
      for (int j = 0; j < count; ++j) {
        S z[kAcross];
#pragma unroll
        for (int c = 0; c < kAcross; ++c) z[c] = shared.z[j * kWide + across + kSide * c];
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          const int i = down + kSide * r;
          const S score = shared.scores[i * kScores + j];
          // A row does not see another that it has no pair with, even if that is infinite.
          if (p.reverse ? j > i : j < i) {
#pragma unroll
            for (int c = 0; c < kAcross; ++c) out[r][c] += score * z[c];
          }
        }
      }
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const int i = down + kSide * r;
        S whole = 0, from_state = 0;
#pragma unroll
        for (int c = 0; c < kAcross; ++c) {
          const int e = column + across + kSide * c;
          if (i >= count || e >= p.width) continue;
          const int64_t at = ((first + i) * p.heads + head) * p.width + e;
          const S inherited = empty ? S(0) : factors.read[i] * read[r][c];
          const S result = inherited + out[r][c];
          if (p.rows) {
            whole += result * static_cast<S>(p.rows[at]);
            from_state += inherited * static_cast<S>(p.rows[at]);
          }
          p.out[at] = static_cast<T>(result + diagonal[r] * shared.z[i * kWide + across + kSide * c]);
        }
        if (p.rows) {
          whole = warp_sum<kSide>(whole);
          from_state = warp_sum<kSide>(from_state);
          const int64_t at = (tile * p.heads + head) * p.tokens + first + i;
          if (across == 0 && i < count) {
            p.row_products[at] = whole;
            if (p.read_products) p.read_products[at] = from_state;
          }
        }
      }
      __syncthreads();
    }

    for (int i = threadIdx.x; i < ROWS * WIDTH; i += kThreads)
      shared.z[i / WIDTH * kWide + i % WIDTH] *= factors.write[i / WIDTH];
    for (int slab = 0; slab < slabs; ++slab) {
      __syncthreads();
      load(p.y, p.depth, slab * kSlab, SlabColumns{}, shared.y, kDeep);
      __syncthreads();
      S sums[kDown][kAcross];
      S* rows = state + slab * kSlab * WIDTH;
#pragma unroll
      for (int r = 0; r < kDown; ++r)
#pragma unroll
        for (int c = 0; c < kAcross; ++c)
          sums[r][c] = factors.state(rows[(down + kSide * r) * WIDTH + across + kSide * c]);
#pragma unroll 4
      for (int j = 0; j < ROWS; ++j) {
        S y[kDown], z[kAcross];
#pragma unroll
        for (int r = 0; r < kDown; ++r) y[r] = shared.y[j * kDeep + down + kSide * r];
#pragma unroll
        for (int c = 0; c < kAcross; ++c) z[c] = shared.z[j * kWide + across + kSide * c];
#pragma unroll
        for (int r = 0; r < kDown; ++r)
#pragma unroll
          for (int c = 0; c < kAcross; ++c) sums[r][c] += y[r] * z[c];
      }
#pragma unroll
      for (int r = 0; r < kDown; ++r)
#pragma unroll
        for (int c = 0; c < kAcross; ++c) rows[(down + kSide * r) * WIDTH + across + kSide * c] = sums[r][c];
    }
    empty = false;
    __syncthreads();
  }

  if (S* to = state_after(p, segment, slot, head)) {
    __syncthreads();
    for (int i = threadIdx.x; i < cells; i += kThreads) {
      const int d = i / WIDTH, e = i % WIDTH;
      if (d < p.depth && e < left) to[d * p.stride_depth + (column + e) * p.stride_width] = state[i];
    }
  }
  if (p.sums_only && tile == 0 && warp == 0) sum_segment_decay(p, segment, slot, head);
}

}  // namespace frontier::cuda

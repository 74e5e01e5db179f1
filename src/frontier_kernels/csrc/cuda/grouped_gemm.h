// Grouped products on the GPU: C_e = A_e B_e for every expert e, in one launch and without asking how many
// rows an expert has.
//
// Two forms share one main loop. In the first the rows of A are an expert's tokens (the four products of
// forward and of dx); a table that the device writes gives each block its expert and its rows, the grid is
// the most that T k rows and E experts can need, and blocks past the end leave. In the second the tokens are
// what is summed over (the two weight gradients); there each expert has the same tiles, and one without
// tokens writes zeros. Rows are gathered through the row map while a tile is loaded, and activation, bias and
// the gradient of the routing weights are computed on the tile before it is stored, so neither gathered
// tokens nor experts' outputs of the forward activation go through memory a second time.
//
// 16-bit floats run on tensor cores: tiles of 128 x 128 (or 64 x 64, or 16 x 128 for a few tokens for each
// expert) by steps of 32, three or four stages of asynchronous copies deep, warps of 64, 32 or 16 x 32. A row
// of a stage is cut into 16-byte chunks whose order is xored with the row, so that copies and matrix loads
// touch every bank once. Float, double, and bfloat16 where the tensor cores lack it, run on plain
// multiply-adds, tiles of 128 x 128 with 8 x 8 elements a thread, double-buffered through registers.
//
// Row tiles are taken in groups of eight for each column tile, so that blocks that run at the same time share
// weights and tokens in the L2 cache. Every number is summed by one thread in a fixed order: no atomics, no
// split sums, the same bits every time. Source: Tan et al., "ScatterMoE" (2024) for gathering in the loads;
// Guo et al., "SonicMoE" (2025) for the fused gradient.

#pragma once

#include <algorithm>

#include "grouped_products.h"
#include "vector.h"

namespace frontier::cuda {

// A factor in memory. Its rows are either rows (columns) of the product, with the summed index along them, or
// the summed index itself.
template <typename T>
struct Matrix {
  const T* data;
  int64_t stride;         // from one row to the next
  int64_t expert_stride;  // from one expert's matrix to the next; 0 where experts share the rows
  const int32_t* map;     // takes rows through this map, -1 for a row of zeros; none if null
  bool whole;             // rows can be read 16 bytes at a time
};

template <typename T>
Matrix<T> matrix(const T* data, int64_t stride, int64_t expert_stride, const int32_t* map = nullptr) {
  constexpr int N = 16 / sizeof(T) < 4 ? 4 : 16 / sizeof(T);
  return {data, stride, expert_stride, map, can_vectorise<N>(data, stride)};
}

// A tile's column c as a row of w_in: the two halves of a gated layer alternate every `RUN` columns, so that
// the same thread holds both elements of a gate. -1 past the end.
template <int RUN>
__device__ __forceinline__ int64_t weight_row(int64_t first, int c, int64_t columns, bool gated) {
  if (!gated) return first + c < columns ? first + c : -1;
  const int64_t h = first / 2 + c / (2 * RUN) * RUN + c % RUN;
  if (h >= columns / 2) return -1;
  return c % (2 * RUN) < RUN ? h : columns / 2 + h;
}

// Epilogues: what is done with a tile before it is stored.

__device__ __forceinline__ float exponential_of(float x) { return expf(x); }
__device__ __forceinline__ double exponential_of(double x) { return exp(x); }
__device__ __forceinline__ float error_function(float x) { return erff(x); }
__device__ __forceinline__ double error_function(double x) { return erf(x); }

template <typename S>
__device__ __forceinline__ S constant(double value) {
  return static_cast<S>(value);
}

template <typename S>
__device__ __forceinline__ S sigmoid(S x) {
  return S(1) / (S(1) + exponential_of(-x));
}

template <typename S>
__device__ __forceinline__ S normal_cdf(S x, S* x_density) {
  *x_density = x * (S(0.39894228040143267794) * exponential_of(S(-0.5) * x * x));
  return S(0.5) * (S(1) + error_function(x * S(0.70710678118654752440)));
}

#define INLINE __device__ __forceinline__
#include "common/activation_formulas.inc.h"
#undef INLINE

// Calls f with the activation as a constant, that its loop over a thread's elements is compiled for each.
template <typename F>
__device__ __forceinline__ void with_activation(Activation activation, const F& f) {
  switch (activation) {
#define FRONTIER_ROW(name, gated) \
  case Activation::name:          \
    return f(std::integral_constant<Activation, Activation::name>{});
    FRONTIER_ACTIVATIONS(FRONTIER_ROW)
#undef FRONTIER_ROW
  }
}

// What memory keeps of a number.
template <typename T, typename S>
__device__ __forceinline__ S rounded(S x) {
  return static_cast<S>(static_cast<T>(x));
}

// Adds a bias, if any, and stores.
template <typename T, typename S, typename R>
struct StoreSum {
  R* to;
  const T* bias;  // [E, columns]
  int64_t columns, expert_stride;
  bool whole;

  static constexpr bool kGates = false, kDots = false;

  template <int N>
  __device__ __forceinline__ S operator()(int64_t row, int expert, int64_t col, S (&value)[N]) const {
    const int64_t left = columns - col;
    if (left <= 0) return 0;
    if (bias) {
      S add[N];
      load<N>(bias + expert * columns + col, left, whole, add);
#pragma unroll
      for (int i = 0; i < N; ++i) value[i] += add[i];
    }
    store<N>(to + expert * expert_stride + row * columns + col, left, whole, value);
    return 0;
  }
};

// Pre-activations and activations. The activation starts from the stored number, so that backward sees
// exactly what forward used.
template <typename T, typename S>
struct StoreActivation {
  T *pre, *active;
  const T* bias;  // [E, inner]
  int64_t hidden, inner, experts;
  Activation activation;
  bool whole;

  static constexpr bool kGates = true, kDots = false;

  template <int N>
  __device__ __forceinline__ void add_bias(int expert, int64_t col, int64_t left, S (&value)[N]) const {
    if (!bias || expert >= experts) return;
    S add[N];
    load<N>(bias + expert * inner + col, left, whole, add);
#pragma unroll
    for (int i = 0; i < N; ++i) value[i] += add[i];
  }

  template <int N>
  __device__ __forceinline__ S operator()(int64_t row, int expert, int64_t col, S (&value)[N]) const {
    const int64_t left = hidden - col;
    if (left <= 0) return 0;
    add_bias(expert, col, left, value);
    store<N>(pre + row * inner + col, left, whole, value);
    with_activation(activation, [&](auto kind) {
      constexpr Activation K = decltype(kind)::value;
      if constexpr (!kIsGated<K>) {
#pragma unroll
        for (int i = 0; i < N; ++i) value[i] = activated<K>(rounded<T>(value[i]), S(0)).value;
      }
    });
    store<N>(active + row * hidden + col, left, whole, value);
    return 0;
  }

  template <int N>
  __device__ __forceinline__ void gates(int64_t row, int expert, int64_t col, S (&gate)[N],
                                        S (&up)[N]) const {
    const int64_t left = hidden - col;
    if (left <= 0) return;
    add_bias(expert, col, left, gate);
    add_bias(expert, hidden + col, left, up);
    store<N>(pre + row * inner + col, left, whole, gate);
    store<N>(pre + row * inner + hidden + col, left, whole, up);
    with_activation(activation, [&](auto kind) {
      constexpr Activation K = decltype(kind)::value;
      if constexpr (kIsGated<K>) {
#pragma unroll
        for (int i = 0; i < N; ++i) gate[i] = activated<K>(rounded<T>(gate[i]), rounded<T>(up[i])).value;
      }
    });
    store<N>(active + row * hidden + col, left, whole, gate);
  }
};

// From u = dy W_out: the weighted activation, the gradient of the pre-activation, and this tile's part of the
// gradient of the routing weight, which is returned.
template <typename T, typename S>
struct StoreSlope {
  const T* pre;
  const S* weights;            // [slots]
  const int64_t* row_to_slot;  // [rows]
  T *active, *dpre;
  S* partial;  // [rows, parts]
  int64_t hidden, inner, slots, parts;
  Activation activation;
  bool whole;

  static constexpr bool kGates = false, kDots = true;

  template <int N>
  __device__ __forceinline__ S operator()(int64_t row, int, int64_t col, S (&u)[N]) const {
    const int64_t left = hidden - col;
    if (left <= 0) return 0;
    const int64_t slot = row_to_slot[row];
    const S w = slot >= 0 && slot < slots ? weights[slot] : S(0);
    S x[N], a[N], dx[N], dot = 0;
    load<N>(pre + row * inner + col, left, whole, x);
    with_activation(activation, [&](auto kind) {
      constexpr Activation K = decltype(kind)::value;
      S up[N] = {}, dup[N];
      if constexpr (kIsGated<K>) load<N>(pre + row * inner + hidden + col, left, whole, up);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const Activated<S> act = activated<K>(x[i], up[i]);
        dot += u[i] * act.value;
        a[i] = w * act.value;
        dx[i] = w * u[i] * act.slope;
        dup[i] = w * u[i] * act.up_slope;
      }
      if constexpr (kIsGated<K>) store<N>(dpre + row * inner + hidden + col, left, whole, dup);
    });
    store<N>(active + row * hidden + col, left, whole, a);
    store<N>(dpre + row * inner + col, left, whole, dx);
    return dot;
  }

  __device__ __forceinline__ void put_dot(int64_t row, int64_t part, S dot) const {
    if (part < parts) partial[row * parts + part] = dot;
  }
};

// Tasks: which part of which product a block computes.

// Rows `row` to `row + count` of C, columns from `column` on, summing over `depth` elements, which begin at
// row `origin` of both factors where tokens are summed.
struct Task {
  int64_t row, column, origin, depth;
  int count, expert;
};

// Column tile and row tile of a block when groups of eight row tiles go through the columns together.
__device__ __forceinline__ void order_tiles(int64_t block, int64_t row_tiles, int64_t column_tiles,
                                            int64_t& row_tile, int64_t& column_tile) {
  const int64_t group = block / (8 * column_tiles), first = group * 8;
  const int64_t height = row_tiles - first < 8 ? row_tiles - first : 8;
  const int64_t within = block - group * 8 * column_tiles;
  row_tile = first + within % height;
  column_tile = within / height;
}

// The first form: rows are an expert's tokens.
struct TokenRows {
  const RowTile* tiles;
  int64_t num_tiles, column_tiles, depth;
  int tile_columns, experts;
  bool unused;  // whether rows of no expert get zeros

  static constexpr bool kSumsTokens = false;

  __device__ __forceinline__ bool find(Task& task) const {
    int64_t row_tile, column_tile;
    order_tiles(blockIdx.x, num_tiles, column_tiles, row_tile, column_tile);
    const RowTile tile = tiles[row_tile];
    task = {tile.begin, column_tile * tile_columns, 0, depth, tile.count, tile.expert};
    if (tile.expert < experts) return tile.count > 0;
    task.depth = 0;
    return unused && tile.count > 0;
  }
};

// The second: rows and columns are those of a weight, the sum is over an expert's tokens.
struct WeightRows {
  const int64_t* offsets;
  int64_t tokens, rows, row_tiles, column_tiles;
  int tile_rows, tile_columns;

  static constexpr bool kSumsTokens = true;

  __device__ __forceinline__ bool find(Task& task) const {
    const int64_t each = row_tiles * column_tiles, e = blockIdx.x / each;
    int64_t row_tile, column_tile;
    order_tiles(blockIdx.x - e * each, row_tiles, column_tiles, row_tile, column_tile);
    // A plan that does not fit is cut to what there is.
    const int64_t begin = min(max(offsets[e], int64_t{0}), tokens);
    const int64_t end = min(max(offsets[e + 1], begin), tokens);
    task.row = row_tile * tile_rows;
    task.column = column_tile * tile_columns;
    task.origin = begin;
    task.depth = end - begin;
    task.count = static_cast<int>(min(rows - task.row, static_cast<int64_t>(tile_rows)));
    task.expert = static_cast<int>(e);
    return true;
  }
};

// Products of 16-bit floats on tensor cores.

template <int ROWS, int COLUMNS, int WARP_ROWS, int STAGES_>
struct TensorTile {
  static constexpr int kRows = ROWS, kColumns = COLUMNS, kDepth = 32, kStages = STAGES_;
  static constexpr int kWarpRows = WARP_ROWS, kWarpColumns = 32;
  static constexpr int kThreads = ROWS / WARP_ROWS * (COLUMNS / kWarpColumns) * 32;
  static constexpr int kStage = (ROWS + COLUMNS) * kDepth;             // elements
  static constexpr int kBlocks = ROWS * COLUMNS >= 128 * 128 ? 2 : 3;  // at least on a multiprocessor
  static constexpr int kRun = 8;                                       // of weight_row
  static constexpr int kLine = kWarpColumns + 4;                       // floats of a line of a warp's result
  static constexpr int kResult = kThreads / 32 * 16 * kLine * 4;       // bytes
  static constexpr int kShared = std::max(kStages * kStage * 2, kResult);
};

using LargeTensorTile = TensorTile<128, 128, 64, 3>;
using MediumTensorTile = TensorTile<64, 64, 32, 4>;
using SmallTensorTile = TensorTile<16, 128, 16, 4>;

// Place of chunk c of row r in a stage: eight rows of one chunk lie in eight different groups of four banks.
template <int CHUNKS>
__device__ __forceinline__ int place(int r, int c) {
  return (r * CHUNKS + (CHUNKS == 4 ? c ^ (r >> 1 & 3) : c ^ (r & 7))) * 8;
}

// One factor's part of a stage: SPAN rows or columns of the product by 32 of the sum.
template <typename T, int SPAN, int THREADS, bool ROWS_ARE_SUMMED>
class TensorLoader {
 public:
  static constexpr int kChunks = (ROWS_ARE_SUMMED ? SPAN : 32) / 8;  // of a row in shared memory
  static constexpr int kAll = SPAN * 4, kEach = (kAll + THREADS - 1) / THREADS;

  // row_of(i): row of the matrix that row i of the tile is, -1 for none. Rows that are not summed.
  template <typename F>
  __device__ __forceinline__ void begin(const Matrix<T>& m, int64_t expert, int64_t depth, const F& row_of) {
    const T* data = m.data + expert * m.expert_stride;
    whole_ = m.whole;
    end_ = depth;
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int index = static_cast<int>(threadIdx.x) + i * THREADS;
      const int64_t row = index < kAll ? row_of(index / kChunks) : -1;
      from_[i] = row < 0 ? nullptr : data + row * m.stride + index % kChunks * 8;
    }
  }

  // Rows that are summed: rows origin to origin + depth, columns first to columns.
  __device__ __forceinline__ void begin_summed(const Matrix<T>& m, int64_t expert, int64_t origin,
                                               int64_t depth, int64_t first, int64_t columns) {
    const T* data = m.data + expert * m.expert_stride;
    whole_ = m.whole;
    end_ = depth;
    stride_ = m.stride;
    map_ = m.map ? m.map + origin : nullptr;
    left_ = columns - first;
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int index = static_cast<int>(threadIdx.x) + i * THREADS;
      from_[i] = data + first + index % kChunks * 8 + (map_ ? 0 : origin * stride_);
      next_[i] = map_ ? look_up(index / kChunks) : 0;
    }
  }

  // Starts the copy of the elements from `depth` on.
  __device__ __forceinline__ void fetch(T* stage, int64_t depth) {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int index = static_cast<int>(threadIdx.x) + i * THREADS;
      if (kAll % THREADS && index >= kAll) break;
      const int r = index / kChunks, c = index % kChunks;
      T* to = stage + place<kChunks>(r, c);
      if constexpr (ROWS_ARE_SUMMED) {
        int64_t row = depth + r;
        bool valid = row < end_;
        if (map_) {
          // The index of the next stage is asked for now, so that it is here by then.
          row = next_[i];
          valid = valid && row >= 0;
          next_[i] = look_up(depth + 32 + r);
        }
        copy(to, from_[i] + (valid ? row * stride_ : 0), valid ? left_ - c * 8 : 0);
      } else {
        copy(to, from_[i] + depth, from_[i] ? end_ - depth - c * 8 : 0);
      }
    }
  }

 private:
  __device__ __forceinline__ int32_t look_up(int64_t row) const { return row < end_ ? map_[row] : -1; }

  // Eight elements, of which `valid` are there.
  __device__ __forceinline__ void copy(T* to, const T* from, int64_t valid) const {
    if (whole_ && (valid >= 8 || valid <= 0)) {
      cp_async<16>(to, from, valid > 0);
    } else {
      Vector<T, 8> elements;
#pragma unroll
      for (int i = 0; i < 8; ++i) elements.at[i] = i < valid ? from[i] : T(0.0f);
      *reinterpret_cast<Vector<T, 8>*>(to) = elements;
    }
  }

  const T* from_[kEach];
  const int32_t* map_ = nullptr;
  int64_t end_ = 0, stride_ = 0, left_ = 0;
  int32_t next_[kEach];
  bool whole_ = false;
};

// Both factors' loaders, set to the start of a block's task.
template <typename T, typename Tasks, typename LoadA, typename LoadB, int RUN, bool A_SUMMED, bool B_SUMMED>
__device__ __forceinline__ void begin_factors(const Matrix<T>& a, const Matrix<T>& b, const Tasks& tasks,
                                              const Task& task, int64_t columns, bool gated, LoadA& load_a,
                                              LoadB& load_b) {
  if constexpr (A_SUMMED)
    load_a.begin_summed(a, 0, task.origin, task.depth, task.row, tasks.rows);
  else
    load_a.begin(a, 0, task.depth, [&](int i) -> int64_t {
      if (i >= task.count) return -1;
      return a.map ? a.map[task.row + i] : task.row + i;
    });
  if constexpr (B_SUMMED)
    load_b.begin_summed(b, Tasks::kSumsTokens ? 0 : task.expert, Tasks::kSumsTokens ? task.origin : 0,
                        task.depth, task.column, columns);
  else
    load_b.begin(b, task.expert, task.depth,
                 [&](int c) { return weight_row<RUN>(task.column, c, columns, gated); });
}

template <typename T, typename Tile, bool A_SUMMED, bool B_SUMMED, typename Tasks, typename Epilogue>
__global__ __launch_bounds__(Tile::kThreads, Tile::kBlocks) void tensor_product(Matrix<T> a, Matrix<T> b,
                                                                                Tasks tasks, int64_t columns,
                                                                                bool gated,
                                                                                Epilogue epilogue) {
  Task task;
  if (!tasks.find(task)) return;
  T* stages = dynamic_shared<T>();
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  constexpr int kAcross = Tile::kColumns / Tile::kWarpColumns;
  const int warp_row = warp / kAcross * Tile::kWarpRows, warp_column = warp % kAcross * Tile::kWarpColumns;
  constexpr int MI = Tile::kWarpRows / 16, NI = Tile::kWarpColumns / 8;
  constexpr int kA = Tile::kRows * Tile::kDepth;  // elements of A in a stage; those of B follow

  using LoadA = TensorLoader<T, Tile::kRows, Tile::kThreads, A_SUMMED>;
  using LoadB = TensorLoader<T, Tile::kColumns, Tile::kThreads, B_SUMMED>;
  LoadA load_a;
  LoadB load_b;
  begin_factors<T, Tasks, LoadA, LoadB, Tile::kRun, A_SUMMED, B_SUMMED>(a, b, tasks, task, columns, gated,
                                                                        load_a, load_b);
  const int steps = static_cast<int>((task.depth + Tile::kDepth - 1) / Tile::kDepth);
  const auto fetch = [&](int step) {
    if (step < steps) {
      T* stage = stages + step % Tile::kStages * Tile::kStage;
      load_a.fetch(stage, static_cast<int64_t>(step) * Tile::kDepth);
      load_b.fetch(stage + kA, static_cast<int64_t>(step) * Tile::kDepth);
    }
    cp_async_commit();
  };

  float sum[MI][NI][4] = {};
#pragma unroll
  for (int step = 0; step < Tile::kStages - 1; ++step) fetch(step);
  for (int step = 0; step < steps; ++step) {
    cp_async_wait<Tile::kStages - 2>();
    __syncthreads();
    fetch(step + Tile::kStages - 1);
    const T* at = stages + step % Tile::kStages * Tile::kStage;
    const T* bt = at + kA;
#pragma unroll
    for (int k = 0; k < Tile::kDepth; k += 16) {
      uint32_t fa[MI][4], fb[NI][2];
#pragma unroll
      for (int i = 0; i < MI; ++i) {
        const int row = warp_row + i * 16;
        if constexpr (A_SUMMED)
          ldmatrix_x4_trans(fa[i],
                            at + place<LoadA::kChunks>(k + lane / 16 * 8 + lane % 8, row / 8 + lane / 8 % 2));
        else
          ldmatrix_x4(fa[i], at + place<LoadA::kChunks>(row + lane % 16, k / 8 + lane / 16));
      }
#pragma unroll
      for (int j = 0; j < NI; j += 2) {
        const int column = warp_column + j * 8;
        uint32_t pair[4];
        if constexpr (B_SUMMED)
          ldmatrix_x4_trans(
              pair, bt + place<LoadB::kChunks>(k + lane / 8 % 2 * 8 + lane % 8, column / 8 + lane / 16));
        else
          ldmatrix_x4(pair,
                      bt + place<LoadB::kChunks>(column + lane / 16 * 8 + lane % 8, k / 8 + lane / 8 % 2));
        fb[j][0] = pair[0], fb[j][1] = pair[1];
        fb[j + 1][0] = pair[2], fb[j + 1][1] = pair[3];
      }
#pragma unroll
      for (int i = 0; i < MI; ++i)
#pragma unroll
        for (int j = 0; j < NI; ++j) mma_m16n8k16<T>(sum[i][j], fa[i], fb[j]);
    }
  }
  cp_async_wait<0>();
  __syncthreads();

  // Each warp turns its fragments, 16 rows at a time, into 16 neighbouring elements a lane.
  float* lines = dynamic_shared<float>() + warp * 16 * Tile::kLine;
  const int r = lane / 2, half = lane % 2 * 16;
  for (int i = 0; i < MI; ++i) {
    // Written out for every i, because registers have no addresses; what follows is too long for that.
#pragma unroll
    for (int m = 0; m < MI; ++m) {
      if (m != i) continue;
#pragma unroll
      for (int j = 0; j < NI; ++j) {
        float* to = lines + lane / 4 * Tile::kLine + j * 8 + lane % 4 * 2;
        *reinterpret_cast<float2*>(to) = make_float2(sum[m][j][0], sum[m][j][1]);
        *reinterpret_cast<float2*>(to + 8 * Tile::kLine) = make_float2(sum[m][j][2], sum[m][j][3]);
      }
    }
    __syncwarp();
    float first[8], second[8];
#pragma unroll
    for (int c = 0; c < 8; ++c) {
      first[c] = lines[r * Tile::kLine + half + c];
      second[c] = lines[r * Tile::kLine + half + 8 + c];
    }
    __syncwarp();
    const int row = warp_row + i * 16 + r;
    const int64_t column = task.column + warp_column + half;
    float dot = 0;
    if (row < task.count) {
      if constexpr (Epilogue::kGates) {
        if (gated) {
          epilogue.gates(task.row + row, task.expert, column / 2, first, second);
          continue;
        }
      }
      dot = epilogue(task.row + row, task.expert, column, first);
      dot += epilogue(task.row + row, task.expert, column + 8, second);
    }
    if constexpr (Epilogue::kDots) {
      dot = warp_sum<2>(dot);
      if (half == 0 && row < task.count)
        epilogue.put_dot(task.row + row, (task.column + warp_column) / Tile::kWarpColumns, dot);
    }
  }
}

// Products of float and double on multiply-adds.

template <int ROWS, int COLUMNS>
struct ScalarTile {
  static constexpr int kRows = ROWS, kColumns = COLUMNS, kDepth = 16, kThreads = 256;
  static constexpr int kHigh = ROWS / 16, kWide = COLUMNS / 16;  // elements of a thread
  static constexpr int kGroup = kWide / 2;  // neighbouring ones: a thread has some in each half of the tile
  static constexpr int kRun = COLUMNS / 2;  // of weight_row
  static constexpr int kStage = kDepth * (ROWS + 4 + COLUMNS + 4);
};

// One factor's part of a stage, [16, SPAN + 4] of S in shared memory, held in registers on its way there.
template <typename T, typename S, int SPAN, bool ROWS_ARE_SUMMED>
class ScalarLoader {
 public:
  static constexpr int kChunks = (ROWS_ARE_SUMMED ? SPAN : 16) / 4;
  static constexpr int kAll = SPAN * 4, kEach = (kAll + 255) / 256;

  template <typename F>
  __device__ __forceinline__ void begin(const Matrix<T>& m, int64_t expert, int64_t depth, const F& row_of) {
    const T* data = m.data + expert * m.expert_stride;
    whole_ = m.whole;
    end_ = depth;
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int index = static_cast<int>(threadIdx.x) + i * 256;
      const int64_t row = index < kAll ? row_of(index / kChunks) : -1;
      from_[i] = row < 0 ? nullptr : data + row * m.stride + index % kChunks * 4;
    }
  }

  __device__ __forceinline__ void begin_summed(const Matrix<T>& m, int64_t expert, int64_t origin,
                                               int64_t depth, int64_t first, int64_t columns) {
    const T* data = m.data + expert * m.expert_stride;
    whole_ = m.whole;
    end_ = depth;
    stride_ = m.stride;
    map_ = m.map ? m.map + origin : nullptr;
    left_ = columns - first;
#pragma unroll
    for (int i = 0; i < kEach; ++i)
      from_[i] = data + first + (static_cast<int>(threadIdx.x) + i * 256) % kChunks * 4 +
                 (map_ ? 0 : origin * stride_);
  }

  // Reads the elements from `depth` on.
  __device__ __forceinline__ void fetch(int64_t depth) {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int index = static_cast<int>(threadIdx.x) + i * 256;
      if (kAll % 256 && index >= kAll) break;
      const int r = index / kChunks, c = index % kChunks;
      if constexpr (ROWS_ARE_SUMMED) {
        int64_t row = depth + r;
        bool valid = row < end_;
        if (map_ && valid) {
          row = map_[row];
          valid = row >= 0;
        }
        load<4>(from_[i] + (valid ? row * stride_ : 0), valid ? left_ - c * 4 : 0, whole_, held_[i]);
      } else {
        load<4>(from_[i] + depth, from_[i] ? end_ - depth - c * 4 : 0, whole_, held_[i]);
      }
    }
  }

  __device__ __forceinline__ void put(S* stage) const {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int index = static_cast<int>(threadIdx.x) + i * 256;
      if (kAll % 256 && index >= kAll) break;
      const int r = index / kChunks, c = index % kChunks * 4;
      if constexpr (ROWS_ARE_SUMMED) {
        store<4>(stage + r * (SPAN + 4) + c, 4, true, held_[i]);
      } else {
#pragma unroll
        for (int j = 0; j < 4; ++j) stage[(c + j) * (SPAN + 4) + r] = held_[i][j];
      }
    }
  }

 private:
  const T* from_[kEach];
  const int32_t* map_ = nullptr;
  int64_t end_ = 0, stride_ = 0, left_ = 0;
  S held_[kEach][4];
  bool whole_ = false;
};

template <int N, typename S>
__device__ __forceinline__ void read_shared(const S* from, S* to) {
  constexpr int V = N * sizeof(S) < 16 ? N : 16 / sizeof(S);
#pragma unroll
  for (int i = 0; i < N; i += V) {
    const Vector<S, V> elements = *reinterpret_cast<const Vector<S, V>*>(from + i);
#pragma unroll
    for (int j = 0; j < V; ++j) to[i + j] = elements.at[j];
  }
}

template <typename T, typename S, typename Tile, bool A_SUMMED, bool B_SUMMED, typename Tasks,
          typename Epilogue>
__global__ __launch_bounds__(Tile::kThreads) void scalar_product(Matrix<T> a, Matrix<T> b, Tasks tasks,
                                                                 int64_t columns, bool gated,
                                                                 Epilogue epilogue) {
  Task task;
  if (!tasks.find(task)) return;
  S* stages = dynamic_shared<S>();
  const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  constexpr int TM = Tile::kHigh, V = Tile::kGroup;
  constexpr int kLineA = Tile::kRows + 4, kLineB = Tile::kColumns + 4, kA = Tile::kDepth * kLineA;

  using LoadA = ScalarLoader<T, S, Tile::kRows, A_SUMMED>;
  using LoadB = ScalarLoader<T, S, Tile::kColumns, B_SUMMED>;
  LoadA load_a;
  LoadB load_b;
  begin_factors<T, Tasks, LoadA, LoadB, Tile::kRun, A_SUMMED, B_SUMMED>(a, b, tasks, task, columns, gated,
                                                                        load_a, load_b);
  const int steps = static_cast<int>((task.depth + Tile::kDepth - 1) / Tile::kDepth);
  const auto fetch = [&](int step) {
    load_a.fetch(static_cast<int64_t>(step) * Tile::kDepth);
    load_b.fetch(static_cast<int64_t>(step) * Tile::kDepth);
  };
  const auto put = [&](int step) {
    S* stage = stages + step % 2 * Tile::kStage;
    load_a.put(stage);
    load_b.put(stage + kA);
  };

  S sum[TM][2][V] = {};
  if (steps > 0) {
    fetch(0);
    put(0);
  }
  for (int step = 0; step < steps; ++step) {
    __syncthreads();
    // The next elements are on their way while these are multiplied.
    if (step + 1 < steps) fetch(step + 1);
    const S* at = stages + step % 2 * Tile::kStage + ty * TM;
    const S* bt = stages + step % 2 * Tile::kStage + kA + tx * V;
#pragma unroll
    for (int k = 0; k < Tile::kDepth; ++k) {
      S fa[TM], fb[2][V];
      read_shared<TM>(at + k * kLineA, fa);
      read_shared<V>(bt + k * kLineB, fb[0]);
      read_shared<V>(bt + k * kLineB + Tile::kColumns / 2, fb[1]);
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < V; ++j) {
          sum[i][0][j] += fa[i] * fb[0][j];
          sum[i][1][j] += fa[i] * fb[1][j];
        }
    }
    if (step + 1 < steps) put(step + 1);
  }

#pragma unroll
  for (int i = 0; i < TM; ++i) {
    const int row = ty * TM + i;
    S dot = 0;
    if (row < task.count) {
      if constexpr (Epilogue::kGates) {
        if (gated) {
          epilogue.gates(task.row + row, task.expert, task.column / 2 + tx * V, sum[i][0], sum[i][1]);
          continue;
        }
      }
      const int64_t column = task.column + tx * V;
      dot = epilogue(task.row + row, task.expert, column, sum[i][0]);
      dot += epilogue(task.row + row, task.expert, column + Tile::kColumns / 2, sum[i][1]);
    }
    if constexpr (Epilogue::kDots) {
      dot = warp_sum<16>(dot);
      if (tx == 0 && row < task.count) epilogue.put_dot(task.row + row, task.column / Tile::kColumns, dot);
    }
  }
}

// Launches.

// Runs f with the tile, and whether it is for tensor cores, that this element type has for a size.
template <typename T, typename F>
void with_tile(TileSize size, const Properties& device, const F& f) {
  if constexpr (std::is_same_v<T, Half>) {
    if (size == TileSize::large) return f(LargeTensorTile{}, std::true_type{});
    if (size == TileSize::medium) return f(MediumTensorTile{}, std::true_type{});
    return f(SmallTensorTile{}, std::true_type{});
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    // Without tensor cores, which is sm_75, `tile_size` asks for medium alone.
    if (!tensor_cores<T>(device)) return f(ScalarTile<64, 64>{}, std::false_type{});
    if (size == TileSize::large) return f(LargeTensorTile{}, std::true_type{});
    if (size == TileSize::medium) return f(MediumTensorTile{}, std::true_type{});
    return f(SmallTensorTile{}, std::true_type{});
  } else {
    if constexpr (std::is_same_v<T, float>)
      if (size == TileSize::large) return f(ScalarTile<128, 128>{}, std::false_type{});
    if (size == TileSize::small) return f(ScalarTile<16, 64>{}, std::false_type{});
    return f(ScalarTile<64, 64>{}, std::false_type{});
  }
}

// Tile of the weights' gradients.
template <typename T>
TileSize weight_tile_size(int64_t rows, int64_t columns, int64_t experts, const Properties& device) {
  const int64_t large = rows / 128 * (columns / 128) * experts;
  return !std::is_same_v<T, double> && large >= device.multiprocessors ? TileSize::large : TileSize::medium;
}

template <typename T, typename Tile, bool A_SUMMED, bool B_SUMMED, typename Tasks, typename Epilogue>
void launch_product(int64_t grid, const Matrix<T>& a, const Matrix<T>& b, const Tasks& tasks, int64_t columns,
                    bool gated, const Epilogue& epilogue, cudaStream_t stream, std::true_type) {
  launch(tensor_product<T, Tile, A_SUMMED, B_SUMMED, Tasks, Epilogue>, blocks(grid, 1), Tile::kThreads,
         Tile::kShared, stream, a, b, tasks, columns, gated, epilogue);
}

template <typename T, typename Tile, bool A_SUMMED, bool B_SUMMED, typename Tasks, typename Epilogue>
void launch_product(int64_t grid, const Matrix<T>& a, const Matrix<T>& b, const Tasks& tasks, int64_t columns,
                    bool gated, const Epilogue& epilogue, cudaStream_t stream, std::false_type) {
  using S = acc_t<T>;
  launch(scalar_product<T, S, Tile, A_SUMMED, B_SUMMED, Tasks, Epilogue>, blocks(grid, 1), Tile::kThreads,
         2 * Tile::kStage * sizeof(S), stream, a, b, tasks, columns, gated, epilogue);
}

// Rows of tokens times every expert's matrix; `unused`: the rows of no expert too.
template <typename T, bool B_SUMMED, typename Epilogue>
void token_product(const Network& n, const Matrix<T>& a, const Matrix<T>& b, int64_t columns, int64_t depth,
                   bool gated, bool unused, const Epilogue& epilogue) {
  with_tile<T>(n.size, n.device, [&](auto tile, auto tensor) {
    using Tile = decltype(tile);
    const int64_t column_tiles = (columns + Tile::kColumns - 1) / Tile::kColumns;
    const TokenRows tasks{
        n.tiles, n.num_tiles, column_tiles, depth, Tile::kColumns, static_cast<int>(n.experts), unused};
    launch_product<T, Tile, false, B_SUMMED>(n.num_tiles * column_tiles, a, b, tasks, columns, gated,
                                             epilogue, n.stream, tensor);
  });
}

// Every expert's [rows, columns], summed over its tokens.
template <typename T>
void weight_product(const Network& n, const Matrix<T>& a, const Matrix<T>& b, int64_t rows, int64_t columns,
                    T* to) {
  using S = acc_t<T>;
  const TileSize size = weight_tile_size<T>(rows, columns, n.experts, n.device);
  with_tile<T>(size, n.device, [&](auto tile, auto tensor) {
    using Tile = decltype(tile);
    // A small tile is for few tokens, which here are what is summed over.
    if constexpr (Tile::kRows >= 64) {
      const int64_t row_tiles = (rows + Tile::kRows - 1) / Tile::kRows;
      const int64_t column_tiles = (columns + Tile::kColumns - 1) / Tile::kColumns;
      const WeightRows tasks{n.offsets, n.rows, rows, row_tiles, column_tiles, Tile::kRows, Tile::kColumns};
      const StoreSum<T, S, T> epilogue{to, nullptr, columns, rows * columns, can_vectorise<8>(to, columns)};
      launch_product<T, Tile, true, true>(n.experts * row_tiles * column_tiles, a, b, tasks, columns, false,
                                          epilogue, n.stream, tensor);
    }
  });
}

// The largest tile that an average expert fills and that leaves every multiprocessor a block. The limits are
// reckoned; benchmarks/results says what they give on an H200, where no others were tried.
template <typename T>
TileSize Products<T>::tile_size(const Network& n) {
  if (std::is_same_v<T, BFloat16> && !tensor_cores<T>(n.device)) return TileSize::medium;
  const int64_t each = n.rows / std::max<int64_t>(n.experts, 1);
  if (each <= 24) return TileSize::small;
  const int64_t large = (n.rows / 128 + 1) * (std::min(n.width, n.inner) / 128);
  if (std::is_same_v<T, double> || each < 96 || large < n.device.multiprocessors) return TileSize::medium;
  return TileSize::large;
}

template <typename T>
int64_t Products<T>::dots(const Network& n) {
  int64_t span = 0;
  with_tile<T>(n.size, n.device, [&](auto tile, auto tensor) {
    if constexpr (decltype(tensor)::value)
      span = decltype(tile)::kWarpColumns;
    else
      span = decltype(tile)::kColumns;
  });
  return (n.hidden + span - 1) / span;
}

template <typename T>
void Products<T>::up(const Network& n, const T* x, const T* w_in, const T* b_in, T* pre, T* active) {
  const bool whole = can_vectorise<8>(pre, n.hidden) && (!b_in || can_vectorise<8>(b_in, n.hidden));
  const StoreActivation<T, S> epilogue{pre, active, b_in, n.hidden, n.inner, n.experts, n.activation, whole};
  token_product<T, false>(n, matrix(x, n.width, 0, n.row_to_token), matrix(w_in, n.width, n.inner * n.width),
                          n.inner, n.width, n.gated(), true, epilogue);
}

template <typename T>
void Products<T>::down(const Network& n, const T* active, const T* w_out, const T* b_out, S* ys) {
  const bool whole = can_vectorise<8>(ys, n.width) && (!b_out || can_vectorise<8>(b_out, n.width));
  const StoreSum<T, S, S> epilogue{ys, b_out, n.width, 0, whole};
  token_product<T, false>(n, matrix(active, n.hidden, 0), matrix(w_out, n.hidden, n.width * n.hidden),
                          n.width, n.hidden, false, false, epilogue);
}

template <typename T>
void Products<T>::back_down(const Network& n, const T* grad, const T* w_out, const T* pre, const S* weights,
                            T* active, T* dpre, S* partial) {
  const StoreSlope<T, S> epilogue{pre,    weights, n.row_to_slot, active,
                                  dpre,   partial, n.hidden,      n.inner,
                                  n.rows, dots(n), n.activation,  can_vectorise<8>(pre, n.hidden)};
  token_product<T, true>(n, matrix(grad, n.width, 0, n.row_to_token),
                         matrix(w_out, n.hidden, n.width * n.hidden), n.hidden, n.width, false, false,
                         epilogue);
}

template <typename T>
void Products<T>::back_up(const Network& n, const T* dpre, const T* w_in, S* dxs) {
  const StoreSum<T, S, S> epilogue{dxs, nullptr, n.width, 0, can_vectorise<8>(dxs, n.width)};
  token_product<T, true>(n, matrix(dpre, n.inner, 0), matrix(w_in, n.width, n.inner * n.width), n.width,
                         n.inner, false, false, epilogue);
}

template <typename T>
void Products<T>::weights_in(const Network& n, const T* dpre, const T* x, T* dw_in) {
  weight_product<T>(n, matrix(dpre, n.inner, 0), matrix(x, n.width, 0, n.row_to_token), n.inner, n.width,
                    dw_in);
}

template <typename T>
void Products<T>::weights_out(const Network& n, const T* grad, const T* active, T* dw_out) {
  weight_product<T>(n, matrix(grad, n.width, 0, n.row_to_token), matrix(active, n.hidden, 0), n.width,
                    n.hidden, dw_out);
}

}  // namespace frontier::cuda

// The expert network's six products, grouped by expert, as the host calls them; see grouped_gemm.h.

#pragma once

#include "common/dtypes.h"
#include "common/experts.h"
#include "device.h"

namespace frontier::cuda {

// Some rows of one expert, which one block row of a product works on. What lies behind the last expert's rows
// belongs to no expert: `expert` is then the number of experts. A tile without work has no rows.
struct RowTile {
  int64_t begin;
  int32_t count, expert;
};

enum class TileSize { small, medium, large };

constexpr int rows_of(TileSize size) {
  return size == TileSize::large ? 128 : size == TileSize::medium ? 64 : 16;
}

// One call's sizes and plan; pointers are to device memory.
struct Network : NetworkSizes {
  Properties device{};
  cudaStream_t stream{};
  TileSize size{};
  const RowTile* tiles = nullptr;         // [num_tiles]
  int64_t num_tiles = 0;                  // at most; the device knows how many
  const int32_t* row_to_token = nullptr;  // [rows], -1 where a row is unused
  const int64_t* row_to_slot = nullptr;   // [rows]
  const int64_t* offsets = nullptr;       // [experts + 1]

  explicit Network(const NetworkSizes& sizes) : NetworkSizes(sizes) {}
};

// Implemented for float, double, Half and BFloat16, each in a file of its own.
template <typename T>
struct Products {
  using S = acc_t<T>;

  // The rows of a tile that suit this call.
  static TileSize tile_size(const Network& n);
  // How many partial sums of a row's gradient of its routing weight `back_down` leaves.
  static int64_t dots(const Network& n);

  // pre [rows, inner] = x[token] w_in^T + b_in and active [rows, H] = act(pre); zero pre in unused rows.
  static void up(const Network& n, const T* x, const T* w_in, const T* b_in, T* pre, T* active);
  // ys [rows, D] = active w_out^T + b_out.
  static void down(const Network& n, const T* active, const T* w_out, const T* b_out, S* ys);
  // With u = grad[token] w_out: active [rows, H] = w act(pre), dpre [rows, inner] = w u act'(pre), and the
  // parts of <u, act(pre)> in partial [rows, dots].
  static void back_down(const Network& n, const T* grad, const T* w_out, const T* pre, const S* weights,
                        T* active, T* dpre, S* partial);
  // dxs [rows, D] = dpre w_in.
  static void back_up(const Network& n, const T* dpre, const T* w_in, S* dxs);
  // dw_in [E, inner, D] = dpre^T x[token].
  static void weights_in(const Network& n, const T* dpre, const T* x, T* dw_in);
  // dw_out [E, D, H] = grad[token]^T active.
  static void weights_out(const Network& n, const T* grad, const T* active, T* dw_out);
};

}  // namespace frontier::cuda

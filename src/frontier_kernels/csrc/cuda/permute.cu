// Moving tokens to rows grouped by expert, and back.
//
// Dispatch is a copy of T k rows of D elements, combine a sum over each token's k rows in slot order, and the
// gradient of combine both at once: a warp for each row scales the token's gradient and takes the product
// with what the expert gave. All read and write rows in 16-byte words where the width allows. A map that
// points outside is taken for a dropped slot: on a device nothing can be raised without waiting for it.

#include <optional>
#include <tuple>

#include "common/checks.h"
#include "device.h"
#include "gather.h"
#include "vector.h"

namespace {

using namespace frontier::cuda;
using frontier::acc_t;
using frontier::as_contiguous;
using torch::stable::new_empty;
using torch::stable::Tensor;

// Raises unless the maps have shapes that go together, hold 64-bit elements and lie where the tokens are.
void check_maps_for(const char* name, const Tensor& rows, const Tensor& slot_to_row,
                    const Tensor& row_to_slot) {
  frontier::check_map_shapes(slot_to_row, row_to_slot);
  frontier::check_device("slot_to_row", slot_to_row, name, rows);
  frontier::check_device("row_to_slot", row_to_slot, name, rows);
  slot_to_row.const_data_ptr<int64_t>();
  row_to_slot.const_data_ptr<int64_t>();
}

Tensor dispatch(const Tensor& x_in, const Tensor& slot_to_row_in, const Tensor& row_to_slot_in) {
  const DeviceGuard guard(x_in);
  const Tensor x = as_contiguous(x_in), slot_to_row = as_contiguous(slot_to_row_in);
  const Tensor row_to_slot = as_contiguous(row_to_slot_in);
  check_maps_for("x", x, slot_to_row, row_to_slot);
  frontier::check_dims("x", x, 2);
  frontier::check_shape("x", x, slot_to_row.size(0), x.size(1));
  const int64_t rows = row_to_slot.size(0), width = x.size(1), top_k = slot_to_row.size(1);
  Tensor xs = new_empty(x, {rows, width});
  const int64_t* slot_of = row_to_slot.const_data_ptr<int64_t>();
  frontier::dispatch_floating(x, "dispatch", [&](auto zero) {
    using T = decltype(zero);
    launch_copy_rows(x.const_data_ptr<T>(), slot_of, xs.mutable_data_ptr<T>(), rows, top_k, width,
                     current_stream(x));
  });
  return xs;
}

Tensor combine(const Tensor& ys_in, const std::optional<Tensor>& weights_in, const Tensor& slot_to_row_in,
               const Tensor& row_to_slot_in) {
  const DeviceGuard guard(ys_in);
  const Tensor ys = as_contiguous(ys_in), slot_to_row = as_contiguous(slot_to_row_in);
  const Tensor row_to_slot = as_contiguous(row_to_slot_in);
  check_maps_for("ys", ys, slot_to_row, row_to_slot);
  frontier::check_dims("ys", ys, 2);
  frontier::check_shape("ys", ys, slot_to_row.numel(), ys.size(1));
  const int64_t tokens = slot_to_row.size(0), top_k = slot_to_row.size(1), width = ys.size(1);
  const std::optional<Tensor> weights = as_contiguous(weights_in);
  if (weights) {
    frontier::check_shape("weights", *weights, tokens, top_k);
    frontier::check_device("weights", *weights, "ys", ys);
  }
  Tensor y = new_empty(ys, {tokens, width});
  frontier::dispatch_floating(ys, "combine", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    launch_sum_slots<S>(ys.const_data_ptr<T>(), weights ? weights->const_data_ptr<S>() : nullptr,
                        slot_to_row.const_data_ptr<int64_t>(), y.mutable_data_ptr<T>(), tokens, top_k, width,
                        current_stream(ys));
  });
  return y;
}

// One warp for each row, and for the slot of the same number if that was dropped.
template <int N, typename T, typename S>
__global__ void combine_rows_backward(const T* grad, const T* ys, const S* weights,
                                      const int64_t* slot_to_row, const int64_t* row_to_slot, T* grad_ys,
                                      S* grad_weights, int64_t rows, int64_t top_k, int64_t width,
                                      bool whole) {
  const int lane = threadIdx.x % 32;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;
  const int64_t kept = slot_to_row[row], slot = row_to_slot[row];
  if (lane == 0 && (kept < 0 || kept >= rows)) grad_weights[row] = 0;
  const bool used = slot >= 0 && slot < rows;
  const T* g = grad + (used ? slot / top_k * width : 0);
  const S w = used ? weights[slot] : S(0);
  S dot = 0;
  for (int64_t d = lane * N; d < width; d += 32 * N) {
    S up[N] = {}, out[N] = {};
    if (used) {
      load<N>(g + d, width - d, whole, up);
      load<N>(ys + row * width + d, width - d, whole, out);
    }
#pragma unroll
    for (int i = 0; i < N; ++i) {
      dot += up[i] * out[i];
      up[i] *= w;
    }
    store<N>(grad_ys + row * width + d, width - d, whole, up);
  }
  dot = warp_sum(dot);
  if (lane == 0 && used) grad_weights[slot] = dot;
}

std::tuple<Tensor, Tensor> combine_backward(const Tensor& grad_in, const Tensor& ys_in,
                                            const Tensor& weights_in, const Tensor& slot_to_row_in,
                                            const Tensor& row_to_slot_in) {
  const DeviceGuard guard(ys_in);
  const Tensor grad = as_contiguous(grad_in), ys = as_contiguous(ys_in), weights = as_contiguous(weights_in);
  const Tensor slot_to_row = as_contiguous(slot_to_row_in), row_to_slot = as_contiguous(row_to_slot_in);
  check_maps_for("ys", ys, slot_to_row, row_to_slot);
  frontier::check_dims("ys", ys, 2);
  frontier::check_shape("ys", ys, slot_to_row.numel(), ys.size(1));
  frontier::check_shape("grad", grad, slot_to_row.size(0), ys.size(1));
  frontier::check_shape("weights", weights, slot_to_row.size(0), slot_to_row.size(1));
  frontier::check_device("grad", grad, "ys", ys);
  frontier::check_device("weights", weights, "ys", ys);
  const int64_t top_k = slot_to_row.size(1), rows = ys.size(0), width = ys.size(1);
  Tensor grad_ys = new_empty(ys, {rows, width});
  Tensor grad_weights = new_empty(weights, {slot_to_row.size(0), top_k});
  frontier::dispatch_floating(ys, "combine_backward", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    constexpr int N = 16 / sizeof(T);
    const T *g = grad.const_data_ptr<T>(), *y = ys.const_data_ptr<T>();
    T* gy = grad_ys.mutable_data_ptr<T>();
    const bool whole =
        can_vectorise<N>(g, width) && can_vectorise<N>(y, width) && can_vectorise<N>(gy, width);
    launch(combine_rows_backward<N, T, S>, blocks(rows, 8), 256, 0, current_stream(ys), g, y,
           weights.const_data_ptr<S>(), slot_to_row.const_data_ptr<int64_t>(),
           row_to_slot.const_data_ptr<int64_t>(), gy, grad_weights.mutable_data_ptr<S>(), rows, top_k, width,
           whole);
  });
  return {grad_ys, grad_weights};
}

}  // namespace

FRONTIER_CUDA_LIBRARY(m) {
  m.impl("dispatch", TORCH_BOX(&dispatch));
  m.impl("combine", TORCH_BOX(&combine));
  m.impl("combine_backward", TORCH_BOX(&combine_backward));
}

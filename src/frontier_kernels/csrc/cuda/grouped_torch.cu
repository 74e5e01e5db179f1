// The expert network's products in bfloat16 on sm_90 by aten::_grouped_mm, whose tiles are loaded and
// multiplied by hardware units that `mma.sync` does not reach.
//
// It takes rows that are already grouped, so tokens are copied first (T k D elements more each way), and the
// activation is a pass of its own, one warp for each row, with the functions that our own products apply to
// their tiles. Everything that it gives is rounded to bfloat16. Where torch refuses a call, ours does it.

#include <array>
#include <optional>
#include <type_traits>

#include "gather.h"
#include "grouped_gemm.h"
#include "grouped_torch.h"

namespace frontier::cuda {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::new_empty;
using torch::stable::Tensor;
using torch::stable::transpose;

// aten::_grouped_mm(a, b, offs): rows of a up to each end times its matrix of b, or, where b is a matrix too,
// the products of the parts between the ends of what is summed.
std::optional<Tensor> grouped_mm(const Tensor& a, const Tensor& b, const Tensor& ends) {
  using torch::stable::detail::from;
  std::array<StableIValue, 5> stack{from(a), from(b), from(std::optional<Tensor>(ends)),
                                    from(std::optional<Tensor>()), from(std::optional<ScalarType>())};
  if (torch_call_dispatcher("aten::_grouped_mm", "", stack.data(), TORCH_ABI_VERSION) != 0)
    return std::nullopt;
  return torch::stable::detail::to<Tensor>(stack[0]);
}

// Where each expert's rows end, as aten takes it. A plan that does not fit is made to rise and to end in
// time: aten would follow it.
__global__ void rising_ends(const int64_t* offsets, int32_t* ends, int64_t experts, int64_t rows) {
  for (int64_t e = threadIdx.x; e < experts; e += blockDim.x) {
    int64_t end = 0;
    for (int64_t i = 1; i <= e + 1; ++i) end = max(end, min(offsets[i], rows));
    ends[e] = static_cast<int32_t>(end);
  }
}

Tensor ends_of(const Network& n, const Tensor& offsets) {
  Tensor ends = new_empty(offsets, {n.experts}, ScalarType::Int);
  launch(rising_ends, 1, 256, 0, n.stream, n.offsets, ends.mutable_data_ptr<int32_t>(), n.experts, n.rows);
  return ends;
}

Tensor rows_of_tokens(const Network& n, const Tensor& x) {
  Tensor xs = new_empty(x, {n.rows, n.width});
  launch_copy_rows(x.const_data_ptr<BFloat16>(), n.row_to_slot, xs.mutable_data_ptr<BFloat16>(), n.rows,
                   n.top_k, n.width, n.stream);
  return xs;
}

// Applies what our own products do to a tile to the rows of a finished product, a warp for each row of a row
// tile. Rows of no expert get zeros if `unused`, else nothing.
template <typename Epilogue>
__global__ void apply_to_rows(const BFloat16* product, const RowTile* tiles, int64_t columns, int experts,
                              bool gated, bool unused, Epilogue epilogue) {
  const RowTile tile = tiles[blockIdx.x];
  const bool used = tile.expert < experts;
  if (!used && !unused) return;
  const int lane = threadIdx.x % 32, warps = blockDim.x / 32;
  const int64_t width = gated ? columns / 2 : columns;
  for (int r = threadIdx.x / 32; r < tile.count; r += warps) {
    const BFloat16* row = product + (tile.begin + r) * columns;
    float dot = 0;
    for (int64_t c = lane * 8; c < width; c += 256) {
      float first[8] = {}, second[8] = {};
      if (used) load<8>(row + c, width - c, true, first);
      if constexpr (Epilogue::kGates) {
        if (gated) {
          if (used) load<8>(row + width + c, width - c, true, second);
          epilogue.gates(tile.begin + r, tile.expert, c, first, second);
          continue;
        }
      }
      dot += epilogue(tile.begin + r, tile.expert, c, first);
    }
    if constexpr (Epilogue::kDots) {
      dot = warp_sum(dot);
      if (lane == 0) epilogue.put_dot(tile.begin + r, 0, dot);
    }
  }
}

template <typename Epilogue>
void launch_apply(const Network& n, const Tensor& product, int64_t columns, bool gated, bool unused,
                  const Epilogue& epilogue) {
  launch(apply_to_rows<Epilogue>, blocks(n.num_tiles, 1), 256, 0, n.stream,
         product.const_data_ptr<BFloat16>(), n.tiles, columns, static_cast<int>(n.experts), gated, unused,
         epilogue);
}

// A sum over no tokens is zero, whatever torch left there.
__global__ void clear_empty(const int64_t* offsets, BFloat16* weights, int64_t each) {
  const int64_t e = blockIdx.y;
  if (offsets[e + 1] > offsets[e]) return;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < each;
       i += static_cast<int64_t>(gridDim.x) * blockDim.x)
    weights[e * each + i] = BFloat16(0.0f);
}

bool weight_gradient(const Network& n, const Tensor& a, const Tensor& b, const Tensor& ends, Tensor& to) {
  std::optional<Tensor> found = grouped_mm(transpose(a, 0, 1), b, ends);
  if (!found) return false;
  to = as_contiguous(*found);
  launch(clear_empty, dim3(64, static_cast<unsigned>(n.experts)), 256, 0, n.stream, n.offsets,
         to.mutable_data_ptr<BFloat16>(), to.size(1) * to.size(2));
  return true;
}

}  // namespace

bool torchs_products(const Network& n, const Tensor& x) {
  if (x.scalar_type() != ScalarType::BFloat16 || n.device.capability != 90) return false;
  // What aten asks for: rows of 16 bytes or a multiple. Experts are one dimension of a grid here.
  if (n.width % 8 || n.hidden % 8 || n.experts > 65535) return false;
  // Where four rounds of tiles fill the device. This limit has not been measured.
  const int64_t tiles = n.rows / 128 * (std::min(n.width, n.hidden) / 128);
  return tiles >= 4 * n.device.multiprocessors && n.rows >= 256 * n.experts;
}

bool torchs_forward(const Network& n, const Tensor& x, const Experts& given, const Maps& maps, Tensor& pre,
                    Tensor& ys) {
  const Tensor ends = ends_of(n, maps.offsets);
  const std::optional<Tensor> up = grouped_mm(rows_of_tokens(n, x), transpose(given.w_in, 1, 2), ends);
  if (!up) return false;
  Tensor active = new_empty(x, {n.rows, n.hidden});
  const BFloat16* bi = data_if<BFloat16>(given.b_in);
  BFloat16* p = pre.mutable_data_ptr<BFloat16>();
  const bool whole = can_vectorise<8>(p, n.hidden) && (!bi || can_vectorise<8>(bi, n.hidden));
  launch_apply(n, as_contiguous(*up), n.inner, n.gated(), true,
               StoreActivation<BFloat16, float>{p, active.mutable_data_ptr<BFloat16>(), bi, n.hidden, n.inner,
                                                n.experts, n.activation, whole});
  const std::optional<Tensor> down = grouped_mm(active, transpose(given.w_out, 1, 2), ends);
  if (!down) return false;
  const BFloat16* bo = data_if<BFloat16>(given.b_out);
  float* to = ys.mutable_data_ptr<float>();
  const bool whole_out = can_vectorise<8>(to, n.width) && (!bo || can_vectorise<8>(bo, n.width));
  launch_apply(n, as_contiguous(*down), n.width, false, false,
               StoreSum<BFloat16, float, float>{to, bo, n.width, 0, whole_out});
  return true;
}

bool torchs_backward(const Network& n, const Tensor& grad, const Tensor& x, const Tensor& weights,
                     const Experts& given, const Maps& maps, const Tensor& pre, const Wanted& wanted,
                     Tensor& dxs, Tensor& dpre, Tensor& partial, ExpertGradients& to) {
  const Tensor ends = ends_of(n, maps.offsets), gs = rows_of_tokens(n, grad);
  const std::optional<Tensor> u = grouped_mm(gs, given.w_out, ends);
  if (!u) return false;
  Tensor active = new_empty(x, {n.rows, n.hidden});
  const BFloat16* p = pre.const_data_ptr<BFloat16>();
  launch_apply(n, as_contiguous(*u), n.hidden, false, false,
               StoreSlope<BFloat16, float>{
                   p, weights.const_data_ptr<float>(), n.row_to_slot, active.mutable_data_ptr<BFloat16>(),
                   dpre.mutable_data_ptr<BFloat16>(), partial.mutable_data_ptr<float>(), n.hidden, n.inner,
                   n.rows, 1, n.activation, can_vectorise<8>(p, n.hidden)});
  if (wanted.x) {
    const std::optional<Tensor> back = grouped_mm(dpre, given.w_in, ends);
    if (!back) return false;
    float* rows = dxs.mutable_data_ptr<float>();
    launch_apply(
        n, as_contiguous(*back), n.width, false, false,
        StoreSum<BFloat16, float, float>{rows, nullptr, n.width, 0, can_vectorise<8>(rows, n.width)});
  }
  return (!wanted.w_in || weight_gradient(n, dpre, rows_of_tokens(n, x), ends, to.w_in)) &&
         (!wanted.w_out || weight_gradient(n, gs, active, ends, to.w_out));
}

}  // namespace frontier::cuda

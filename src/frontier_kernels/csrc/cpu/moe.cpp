// The expert network between routing and combination: gather, first product, activation, second product,
// weighted sum.
//
// Rows grouped by expert are walked one expert at a time, each by one thread: a product gathers its tokens
// while it packs them, the activation follows on the pre-activations, and the second product leaves its
// result in row order; a last pass sums every token's k rows in slot order. No atomics and no index_add, so
// the same input gives the same bits for any number of threads. Arithmetic: 2 T k D H (1 + gated) + 2 T k H D
// FLOP forward, twice that backward, half of it for the weights' gradients, which are left out where nobody
// wants them; kernel_table.h says what does it. Every touched weight is read once for each block (kBlockRows)
// of its expert's rows, and packed then; with few rows that is most of the time, so inference may pack the
// weights once (pack_weights) and read the panels (moe_mlp_packed).
//
// Saved for backward are the inputs, the pre-activations and the routing, not the experts' outputs: with u =
// dy W_out and A = act(pre), the gradient of a routing weight is <dy, A W_out^T + b_out> = <u, A> + <dy,
// b_out> (Guo et al., "SonicMoE", 2025). Rows that no slot uses (dropped tokens) are zero throughout.

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "common/checks.h"
#include "common/dtypes.h"
#include "common/experts.h"
#include "kernel_table.h"

namespace {

using frontier::acc_t;
using frontier::as_contiguous;
using frontier::data_if;
using frontier::Element;
using frontier::ExpertGradients;
using frontier::Experts;
using frontier::Factor;
using frontier::kBlockRows;
using frontier::Maps;
using frontier::NetworkSizes;
using frontier::Scratch;
using frontier::Wanted;
using torch::headeronly::ScalarType;
using torch::stable::new_empty;
using torch::stable::parallel_for;
using torch::stable::Tensor;

Tensor dispatch(const Tensor& x_in, const Tensor& slot_to_row_in, const Tensor& row_to_slot_in) {
  const Tensor x = as_contiguous(x_in), slot_to_row = as_contiguous(slot_to_row_in);
  const Tensor row_to_slot = as_contiguous(row_to_slot_in);
  frontier::check_maps(slot_to_row, row_to_slot);
  frontier::check_dims("x", x, 2);
  frontier::check_shape("x", x, slot_to_row.size(0), x.size(1));
  const int64_t rows = row_to_slot.size(0), width = x.size(1), top_k = slot_to_row.size(1);
  Tensor xs = new_empty(x, {rows, width});
  const int64_t* slot_of = row_to_slot.const_data_ptr<int64_t>();
  frontier::dispatch_floating(x, "dispatch", [&](auto zero) {
    using T = decltype(zero);
    const T* in = x.const_data_ptr<T>();
    T* out = xs.mutable_data_ptr<T>();
    parallel_for(0, rows, 256, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        if (slot_of[r] < 0)
          std::fill_n(out + r * width, width, T{});
        else
          std::copy_n(in + slot_of[r] / top_k * width, width, out + r * width);
      }
    });
  });
  return xs;
}

// Sums each token's rows in slot order, in the accumulation type: y[t] = sum_j w[t, j] ys[row(t, j)].
template <typename S, typename R, typename T>
void sum_slots(const R* ys, const S* weights, const int64_t* row_of, T* y, int64_t tokens, int64_t top_k,
               int64_t width) {
  parallel_for(0, tokens, 128, [&](int64_t begin, int64_t end) {
    std::vector<S> sum(width);
    for (int64_t t = begin; t < end; ++t) {
      std::fill(sum.begin(), sum.end(), S(0));
      for (int64_t j = 0; j < top_k; ++j) {
        const int64_t r = row_of[t * top_k + j];
        if (r < 0) continue;
        const S w = weights ? weights[t * top_k + j] : S(1);
        for (int64_t d = 0; d < width; ++d) sum[d] += w * static_cast<S>(ys[r * width + d]);
      }
      for (int64_t d = 0; d < width; ++d) y[t * width + d] = static_cast<T>(sum[d]);
    }
  });
}

Tensor combine(const Tensor& ys_in, const std::optional<Tensor>& weights_in, const Tensor& slot_to_row_in,
               const Tensor& row_to_slot_in) {
  const Tensor ys = as_contiguous(ys_in), slot_to_row = as_contiguous(slot_to_row_in);
  frontier::check_maps(slot_to_row, as_contiguous(row_to_slot_in));
  frontier::check_dims("ys", ys, 2);
  frontier::check_shape("ys", ys, slot_to_row.numel(), ys.size(1));
  const int64_t tokens = slot_to_row.size(0), top_k = slot_to_row.size(1), width = ys.size(1);
  const std::optional<Tensor> weights = as_contiguous(weights_in);
  if (weights) frontier::check_shape("weights", *weights, tokens, top_k);
  Tensor y = new_empty(ys, {tokens, width});
  frontier::dispatch_floating(ys, "combine", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    sum_slots<S>(ys.const_data_ptr<T>(), weights ? weights->const_data_ptr<S>() : nullptr,
                 slot_to_row.const_data_ptr<int64_t>(), y.mutable_data_ptr<T>(), tokens, top_k, width);
  });
  return y;
}

std::tuple<Tensor, Tensor> combine_backward(const Tensor& grad_in, const Tensor& ys_in,
                                            const Tensor& weights_in, const Tensor& slot_to_row_in,
                                            const Tensor& row_to_slot_in) {
  const Tensor grad = as_contiguous(grad_in), ys = as_contiguous(ys_in), weights = as_contiguous(weights_in);
  const Tensor slot_to_row = as_contiguous(slot_to_row_in), row_to_slot = as_contiguous(row_to_slot_in);
  frontier::check_maps(slot_to_row, row_to_slot);
  frontier::check_dims("ys", ys, 2);
  frontier::check_shape("ys", ys, slot_to_row.numel(), ys.size(1));
  frontier::check_shape("grad", grad, slot_to_row.size(0), ys.size(1));
  frontier::check_shape("weights", weights, slot_to_row.size(0), slot_to_row.size(1));
  const int64_t tokens = slot_to_row.size(0), top_k = slot_to_row.size(1), rows = ys.size(0),
                width = ys.size(1);
  Tensor grad_ys = new_empty(ys, {rows, width});
  Tensor grad_weights = new_empty(weights, {tokens, top_k});
  const int64_t* slot_of = row_to_slot.const_data_ptr<int64_t>();
  const int64_t* row_of = slot_to_row.const_data_ptr<int64_t>();
  frontier::dispatch_floating(ys, "combine_backward", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const T *g = grad.const_data_ptr<T>(), *y = ys.const_data_ptr<T>();
    const S* w = weights.const_data_ptr<S>();
    T* gy = grad_ys.mutable_data_ptr<T>();
    S* gw = grad_weights.mutable_data_ptr<S>();
    parallel_for(0, rows, 128, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t s = slot_of[r];
        for (int64_t d = 0; d < width; ++d)
          gy[r * width + d] = s < 0 ? T(0) : static_cast<T>(w[s] * static_cast<S>(g[s / top_k * width + d]));
      }
    });
    parallel_for(0, tokens * top_k, 128, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        S dot = 0;
        if (row_of[s] >= 0)
          for (int64_t d = 0; d < width; ++d)
            dot += static_cast<S>(g[s / top_k * width + d]) * static_cast<S>(y[row_of[s] * width + d]);
        gw[s] = dot;
      }
    });
  });
  return {grad_ys, grad_weights};
}

// Sizes of one call whose plan fits: no index points outside, no two rows claim one slot.
struct Shape : NetworkSizes {
  Shape(const Tensor& x, const Tensor& weights, const Experts& given, const Maps& maps,
        const std::string& activation_name)
      : NetworkSizes(x, weights, given, maps, activation_name) {
    frontier::check_maps(maps.slot_to_row, maps.row_to_slot);
    frontier::check_offsets(maps.offsets, maps.row_to_slot, experts);
  }
};

// A matrix in memory as a factor of a product; see kernel_table.h.
template <typename T>
Factor factor(const T* data, int64_t stride, bool along_k, const int64_t* slots = nullptr,
              int64_t top_k = 1) {
  return {data, stride, frontier::kElement<T>, along_k, slots, top_k};
}

// Fills the rows of C with a bias and says whether there is one, that is, whether a product goes on top.
template <typename T, typename S>
bool start_from(const T* bias, S* c, int64_t rows, int64_t width) {
  if (bias)
    for (int64_t r = 0; r < rows; ++r) frontier::convert(bias, c + r * width, width);
  return bias != nullptr;
}

// Where a product of sums lands: in the result itself if it has their type, else in scratch.
template <typename T, typename S>
S* landing(T* result, Scratch<S>& scratch, int64_t count) {
  if constexpr (std::is_same_v<T, S>)
    return result;
  else
    return scratch.get(count);
}

// Calls f with a zero of the type that activations and their gradients are kept in for the next product: that
// of the tokens where its products are faster than those of sums, else that of sums.
template <typename T, typename F>
void for_kept(const F& f) {
  using S = acc_t<T>;
  if constexpr (std::is_same_v<T, frontier::BFloat16>)
    if (frontier::kernels<S>().pairs) return f(T{});
  f(S{});
}

// A part of one expert's work, rows or columns `first` to `first + count`, that one thread does. What the
// parts are depends on the routing alone, so the number of threads cannot change a result.
struct Part {
  int64_t expert, first, count, cost;
};

// Cuts `count` into even parts of at most `limit`.
void cut(std::vector<Part>& parts, int64_t expert, int64_t first, int64_t count, int64_t limit,
         int64_t unit_cost) {
  const int64_t pieces = (count + limit - 1) / limit;
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t begin = i * count / pieces, end = (i + 1) * count / pieces;
    parts.push_back({expert, first + begin, end - begin, (end - begin) * unit_cost});
  }
}

// Every expert's rows in parts: as many as a product packs its weights once for, or fewer where that would
// leave less than eight parts to share out, but not below a quarter, where packing weights starts to cost.
std::vector<Part> cut_rows(const int64_t* start, int64_t experts) {
  const int64_t limit = std::clamp<int64_t>(start[experts] / 8, kBlockRows / 4, kBlockRows);
  std::vector<Part> parts;
  for (int64_t e = 0; e < experts; ++e) cut(parts, e, start[e], start[e + 1] - start[e], limit, 1);
  return parts;
}

// Runs f on each part, shared out among the threads by cost.
template <typename F>
void for_parts(const std::vector<Part>& parts, const F& f) {
  int64_t total = 0;
  for (const Part& part : parts) total += part.cost;
  parallel_for(0, total, 1, [&](int64_t begin, int64_t end) {
    int64_t before = 0;
    for (const Part& part : parts) {
      if (before >= begin && before < end) f(part);
      before += part.cost;
    }
  });
}

// Bytes of the panels of one matrix [rows, width], which depend on the processor's path.
template <typename T>
int64_t packed_bytes_as(int64_t rows, int64_t width) {
  return frontier::kernels<acc_t<T>>().packed_size(frontier::kElement<T>, rows, width) * sizeof(acc_t<T>);
}

// The same for a type's name: what shapes are told by where there are no elements.
int64_t packed_bytes(std::string dtype, int64_t rows, int64_t width) {
  if (dtype == "float64") return packed_bytes_as<double>(rows, width);
  if (dtype == "bfloat16") return packed_bytes_as<frontier::BFloat16>(rows, width);
  if (dtype == "float16") return packed_bytes_as<frontier::Half>(rows, width);
  STD_TORCH_CHECK(dtype == "float32", "dtype: got '", dtype,
                  "', wanted 'float32', 'float64', 'bfloat16' or 'float16'");
  return packed_bytes_as<float>(rows, width);
}

// The panels of w [E, N, K] as bytes [E, packed_bytes].
Tensor pack_weights(const Tensor& w_in) {
  const Tensor w = as_contiguous(w_in);
  frontier::check_dims("w", w, 3);
  const int64_t experts = w.size(0), rows = w.size(1), width = w.size(2);
  std::optional<Tensor> packed;
  frontier::dispatch_floating(w, "pack_weights", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const int64_t bytes = packed_bytes_as<T>(rows, width);
    packed = new_empty(w, {experts, bytes}, ScalarType::Byte);
    const T* from = w.const_data_ptr<T>();
    uint8_t* to = packed->mutable_data_ptr<uint8_t>();
    parallel_for(0, experts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t e = begin; e < end; ++e)
        frontier::kernels<S>().pack(factor(from + e * rows * width, width, true), rows, width,
                                    reinterpret_cast<S*>(to + e * bytes));
    });
  });
  return *packed;
}

// Experts' matrices [rows, width], one after the other, and their panels where there are some.
template <typename T>
struct Matrices {
  const T* data;
  int64_t rows, width;
  const uint8_t* panels = nullptr;

  Matrices(const char* name, const Tensor& w, const std::optional<Tensor>& packed)
      : data(w.const_data_ptr<T>()), rows(w.size(1)), width(w.size(2)) {
    if (!packed) return;
    frontier::check_shape(name, *packed, w.size(0), packed_bytes_as<T>(rows, width));
    panels = packed->const_data_ptr<uint8_t>();
  }

  // One of them, transposed, as the right factor.
  Factor of(int64_t expert) const {
    Factor right = factor(data + expert * rows * width, width, true);
    if (panels) right.panels = panels + expert * packed_bytes_as<T>(rows, width);
    return right;
  }
};

// The forward pass. Pre-activations are kept in `pre` where there is one; panels of w_in and w_out are read
// where there are some.
Tensor forward(const Tensor& x_in, const Tensor& weights_in, const Experts& given,
               const std::optional<Tensor>& packed_in, const std::optional<Tensor>& packed_out,
               const Maps& maps, const std::string& activation, std::optional<Tensor>* pre) {
  const Tensor x = as_contiguous(x_in), weights = as_contiguous(weights_in);
  const Shape n(x, weights, given, maps, activation);
  Tensor y = new_empty(x, {n.tokens, n.width});
  if (pre) *pre = new_empty(x, {n.rows, n.inner});
  const int64_t* start = maps.offsets.const_data_ptr<int64_t>();
  const int64_t* slot_of = maps.row_to_slot.const_data_ptr<int64_t>();
  frontier::dispatch_floating(x, "moe_mlp", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const T* px = x.const_data_ptr<T>();
    const Matrices<T> up("packed_in", given.w_in, packed_in), down("packed_out", given.w_out, packed_out);
    const T *bi = data_if<T>(given.b_in), *bo = data_if<T>(given.b_out);
    T* pp = pre ? (*pre)->mutable_data_ptr<T>() : nullptr;
    const frontier::KernelTable<S>& run = frontier::kernels<S>();
    const auto ys = std::make_unique_for_overwrite<S[]>(n.rows * n.width);
    if (pp) std::fill(pp + start[n.experts] * n.inner, pp + n.rows * n.inner, T(0));
    for_kept<T>([&](auto kept_zero) {
      using P = decltype(kept_zero);
      for_parts(cut_rows(start, n.experts), [&](const Part& part) {
        static thread_local Scratch<S> wide, line;
        static thread_local Scratch<T> passing;
        static thread_local Scratch<P> hidden;
        const int64_t e = part.expert, first = part.first, count = part.count;
        // A row of 16-bit floats is rounded where it is kept, or in passing; sums are kept as they land.
        const int64_t kept_stride = pp ? n.inner : 0;
        T* kept = pp ? pp + first * n.inner : nullptr;
        S* sums;  // pre-activations, [count, inner]
        if constexpr (std::is_same_v<T, S>) {
          sums = pp ? kept : wide.get(count * n.inner);
        } else {
          sums = wide.get(count * n.inner);
          if (!pp) kept = passing.get(n.inner);
        }
        bool add = start_from(bi ? bi + e * n.inner : nullptr, sums, count, n.inner);
        run.multiply(factor(px, n.width, true, slot_of + first, n.top_k), up.of(e), sums, count, n.inner,
                     n.width, add);
        P* a = hidden.get(count * n.hidden);  // [count, H]
        for (int64_t r = 0; r < count; ++r) {
          S* row = sums + r * n.inner;
          if constexpr (!std::is_same_v<T, S>) {
            // The activation starts from the stored value, so that backward sees exactly what forward used.
            T* rounded = kept + r * kept_stride;
            frontier::convert(row, rounded, n.inner);
            frontier::convert(rounded, row, n.inner);
          }
          S* active = landing(a + r * n.hidden, line, n.hidden);
          run.activate(n.activation, row, active, n.hidden);
          if constexpr (!std::is_same_v<P, S>) frontier::convert(active, a + r * n.hidden, n.hidden);
        }
        S* out = ys.get() + first * n.width;  // [count, D]
        add = start_from(bo ? bo + e * n.width : nullptr, out, count, n.width);
        run.multiply(factor(a, n.hidden, true), down.of(e), out, count, n.width, n.hidden, add);
      });
    });
    sum_slots<S>(ys.get(), weights.const_data_ptr<S>(), maps.slot_to_row.const_data_ptr<int64_t>(),
                 y.mutable_data_ptr<T>(), n.tokens, n.top_k, n.width);
  });
  return y;
}

std::tuple<Tensor, Tensor> moe_mlp(const Tensor& x, const Tensor& weights, const Tensor& w_in,
                                   const Tensor& w_out, const std::optional<Tensor>& b_in,
                                   const std::optional<Tensor>& b_out, const Tensor& offsets,
                                   const Tensor& slot_to_row, const Tensor& row_to_slot,
                                   const std::string& activation) {
  std::optional<Tensor> pre;
  Tensor y = forward(x, weights, Experts(w_in, w_out, b_in, b_out), std::nullopt, std::nullopt,
                     Maps(offsets, slot_to_row, row_to_slot), activation, &pre);
  return {y, *pre};
}

Tensor moe_mlp_packed(const Tensor& x, const Tensor& weights, const Tensor& w_in, const Tensor& w_out,
                      const Tensor& packed_in, const Tensor& packed_out, const std::optional<Tensor>& b_in,
                      const std::optional<Tensor>& b_out, const Tensor& offsets, const Tensor& slot_to_row,
                      const Tensor& row_to_slot, const std::string& activation) {
  return forward(x, weights, Experts(w_in, w_out, b_in, b_out), as_contiguous(packed_in),
                 as_contiguous(packed_out), Maps(offsets, slot_to_row, row_to_slot), activation, nullptr);
}

// The backward pass of one call. T is the tokens' type, P what activations and their gradients are kept in
// for the products of the weights' gradients.
template <typename T, typename P>
struct ExpertsBackward {
  using S = acc_t<T>;

  const Shape& n;
  const Wanted& wanted;
  const int64_t *start, *slot_of;
  const T *x, *grad, *pre, *w_in, *w_out;
  const T* b_out;  // or null
  const S* weights;
  S *dweights, *dxs;  // dxs by row
  T *dw_in, *dw_out, *db_in, *db_out;
  const frontier::KernelTable<S>& kernels = frontier::kernels<S>();
  Scratch<P> kept_a{}, kept_dpre{};  // w A and dpre of the rows from `origin` on
  int64_t origin = 0;

  void run() {
    const std::vector<Part> row_parts = cut_rows(start, n.experts);
    if (torch::stable::get_num_threads() > 1) {
      reserve(0, start[n.experts]);
      std::vector<Part> weight_parts;
      for (int64_t e = 0; e < n.experts; ++e) cut_weights(weight_parts, e);
      for_parts(row_parts, [this](const Part& part) { rows_of(part); });
      for_parts(weight_parts, [this](const Part& part) { weights_of(part); });
      return;
    }
    // One thread takes one expert after the other, while what the first half leaves is in the cache.
    auto part = row_parts.begin();
    for (int64_t e = 0; e < n.experts; ++e) {
      reserve(start[e], start[e + 1] - start[e]);
      for (; part != row_parts.end() && part->expert == e; ++part) rows_of(*part);
      std::vector<Part> weight_parts;
      cut_weights(weight_parts, e);
      for (const Part& each : weight_parts) weights_of(each);
    }
  }

  void reserve(int64_t from, int64_t rows) {
    origin = from, kept_dpre.get(rows * n.inner);
    if (wanted.w_out) kept_a.get(rows * n.hidden);
  }
  // dy W_out, the activation's gradient, dx by row and the routing weights' gradient.
  void rows_of(const Part& part) {
    static thread_local Scratch<S> rows_u, row_pre, row_a, row_dpre, row_g;
    const int64_t e = part.expert, first = part.first, count = part.count;
    const int64_t* slots = slot_of + first;
    S *u = rows_u.get(count * n.hidden), *g = row_g.get(n.width);
    P* a = wanted.w_out ? kept_a.get(0) + (first - origin) * n.hidden : nullptr;
    P* dpre = kept_dpre.get(0) + (first - origin) * n.inner;
    kernels.multiply(factor(grad, n.width, true, slots, n.top_k),
                     factor(w_out + e * n.width * n.hidden, n.hidden, false), u, count, n.hidden, n.width,
                     false);
    for (int64_t r = 0; r < count; ++r) {
      const int64_t s = slots[r];
      const T* kept = pre + (first + r) * n.inner;
      const S* pre_row;
      if constexpr (std::is_same_v<T, S>) {
        pre_row = kept;
      } else {
        frontier::convert(kept, row_pre.get(n.inner), n.inner);
        pre_row = row_pre.get(n.inner);
      }
      S* to_a = a ? landing(a + r * n.hidden, row_a, n.hidden) : row_a.get(n.hidden);
      S* to_dpre = landing(dpre + r * n.inner, row_dpre, n.inner);
      dweights[s] = kernels.activate_backward(n.activation, pre_row, u + r * n.hidden, weights[s], to_a,
                                              to_dpre, n.hidden);
      if constexpr (!std::is_same_v<P, S>) {
        if (a) frontier::convert(to_a, a + r * n.hidden, n.hidden);
        frontier::convert(to_dpre, dpre + r * n.inner, n.inner);
      }
      if (!b_out) continue;
      frontier::convert(grad + s / n.top_k * n.width, g, n.width);
      for (int64_t d = 0; d < n.width; ++d) dweights[s] += g[d] * static_cast<S>(b_out[e * n.width + d]);
    }
    if (!wanted.x) return;
    kernels.multiply(factor(dpre, n.inner, true), factor(w_in + e * n.inner * n.width, n.width, false),
                     dxs + first * n.width, count, n.width, n.inner, false);  // dpre W_in
  }
  // Rows of dW_out = dy^T (w A) and db_out = sum of w dy.
  void out_of(const Part& part) {
    static thread_local Scratch<S> sums, row_g;
    const int64_t e = part.expert, first = start[e], count = start[e + 1] - first, d0 = part.first;
    if (wanted.w_out) {
      T* result = dw_out + (e * n.width + d0) * n.hidden;
      if (count == 0) {
        std::memset(result, 0, part.count * n.hidden * sizeof(T));
      } else {
        S* to = landing(result, sums, part.count * n.hidden);
        kernels.multiply(factor(grad + d0, n.width, false, slot_of + first, n.top_k),
                         factor(kept_a.get(0) + (first - origin) * n.hidden, n.hidden, false), to, part.count,
                         n.hidden, count, false);
        if constexpr (!std::is_same_v<T, S>) frontier::convert(to, result, part.count * n.hidden);
      }
    }
    if (!wanted.b_out) return;
    S* sum = sums.get(part.count);
    std::fill_n(sum, part.count, S(0));
    S* g = row_g.get(part.count);
    for (int64_t r = first; r < first + count; ++r) {
      frontier::convert(grad + slot_of[r] / n.top_k * n.width + d0, g, part.count);
      for (int64_t d = 0; d < part.count; ++d) sum[d] += weights[slot_of[r]] * g[d];
    }
    frontier::convert(sum, db_out + e * n.width + d0, part.count);
  }
  // Rows of dW_in = dpre^T x and db_in = sum of dpre.
  void in_of(const Part& part) {
    static thread_local Scratch<S> sums, row_p;
    const int64_t e = part.expert, first = start[e], count = start[e + 1] - first, h0 = part.first;
    const P* dpre = kept_dpre.get(0) + (first - origin) * n.inner + h0;
    if (wanted.w_in) {
      T* result = dw_in + (e * n.inner + h0) * n.width;
      if (count == 0) {
        std::memset(result, 0, part.count * n.width * sizeof(T));
      } else {
        S* to = landing(result, sums, part.count * n.width);
        kernels.multiply(factor(dpre, n.inner, false), factor(x, n.width, false, slot_of + first, n.top_k),
                         to, part.count, n.width, count, false);
        if constexpr (!std::is_same_v<T, S>) frontier::convert(to, result, part.count * n.width);
      }
    }
    if (!wanted.b_in) return;
    S* sum = sums.get(part.count);
    std::fill_n(sum, part.count, S(0));
    S* p = row_p.get(part.count);
    for (int64_t r = 0; r < count; ++r) {
      frontier::convert(dpre + r * n.inner, p, part.count);
      for (int64_t h = 0; h < part.count; ++h) sum[h] += p[h];
    }
    frontier::convert(sum, db_in + e * n.inner + h0, part.count);
  }
  void weights_of(const Part& part) {
    return part.first < n.width ? out_of(part)
                                : in_of({part.expert, part.first - n.width, part.count, part.cost});
  }
  // Rows of both weights' gradients, those of dW_in counted on from those of dW_out.
  void cut_weights(std::vector<Part>& parts, int64_t e) {
    const int64_t count = start[e + 1] - start[e] + 1;
    // 16-bit floats are narrowed from sums: of few rows those of a part should stay in the cache, and of
    // none there are none.
    const bool cached = !std::is_same_v<T, S> && count > 1 && count <= 8;
    const int64_t limit = cached ? 32 : kBlockRows;
    if (wanted.w_out || wanted.b_out) cut(parts, e, 0, n.width, limit, n.hidden * count);
    if (wanted.w_in || wanted.b_in) cut(parts, e, n.width, n.inner, limit, n.width * count);
  }
};

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> moe_mlp_backward(
    const Tensor& grad_in, const Tensor& x_in, const Tensor& weights_in, const Tensor& w_in,
    const Tensor& w_out, const std::optional<Tensor>& b_in, const std::optional<Tensor>& b_out,
    const Tensor& pre_in, const Tensor& offsets, const Tensor& slot_to_row, const Tensor& row_to_slot,
    const std::string& activation, bool want_x, bool want_w_in, bool want_w_out, bool want_b_in,
    bool want_b_out) {
  const Tensor grad = as_contiguous(grad_in), x = as_contiguous(x_in), weights = as_contiguous(weights_in),
               pre = as_contiguous(pre_in);
  const Experts given(w_in, w_out, b_in, b_out);
  const Maps maps(offsets, slot_to_row, row_to_slot);
  const Shape n(x, weights, given, maps, activation);
  frontier::check_shape("grad", grad, n.tokens, n.width);
  frontier::check_shape("pre", pre, n.rows, n.inner);
  const Wanted wanted(want_x, want_w_in, want_w_out, want_b_in, want_b_out, given);
  ExpertGradients to(x, weights, n, wanted);
  torch::stable::zero_(to.weights);  // dropped slots have no row that writes one
  frontier::dispatch_floating(x, "moe_mlp_backward", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const auto dxs = std::make_unique_for_overwrite<S[]>(wanted.x ? n.rows * n.width : 0);
    for_kept<T>([&](auto kept_zero) {
      ExpertsBackward<T, decltype(kept_zero)>{
          .n = n,
          .wanted = wanted,
          .start = maps.offsets.const_data_ptr<int64_t>(),
          .slot_of = maps.row_to_slot.const_data_ptr<int64_t>(),
          .x = x.const_data_ptr<T>(),
          .grad = grad.const_data_ptr<T>(),
          .pre = pre.const_data_ptr<T>(),
          .w_in = given.w_in.const_data_ptr<T>(),
          .w_out = given.w_out.const_data_ptr<T>(),
          .b_out = data_if<T>(given.b_out),
          .weights = weights.const_data_ptr<S>(),
          .dweights = to.weights.mutable_data_ptr<S>(),
          .dxs = dxs.get(),
          .dw_in = to.w_in.mutable_data_ptr<T>(),
          .dw_out = to.w_out.mutable_data_ptr<T>(),
          .db_in = to.b_in.mutable_data_ptr<T>(),
          .db_out = to.b_out.mutable_data_ptr<T>(),
      }
          .run();
    });
    if (wanted.x)
      sum_slots<S, S, T>(dxs.get(), nullptr, maps.slot_to_row.const_data_ptr<int64_t>(),
                         to.x.mutable_data_ptr<T>(), n.tokens, n.top_k, n.width);
  });
  return {to.x, to.weights, to.w_in, to.w_out, to.b_in, to.b_out};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(frontier_kernels, CPU, m) {
  m.impl("dispatch", TORCH_BOX(&dispatch));
  m.impl("combine", TORCH_BOX(&combine));
  m.impl("combine_backward", TORCH_BOX(&combine_backward));
  m.impl("moe_mlp", TORCH_BOX(&moe_mlp));
  m.impl("moe_mlp_packed", TORCH_BOX(&moe_mlp_packed));
  m.impl("pack_weights", TORCH_BOX(&pack_weights));
  m.impl("moe_mlp_backward", TORCH_BOX(&moe_mlp_backward));
}

STABLE_TORCH_LIBRARY_IMPL(frontier_kernels, CompositeExplicitAutograd, m) {
  m.impl("packed_bytes", TORCH_BOX(&packed_bytes));
}

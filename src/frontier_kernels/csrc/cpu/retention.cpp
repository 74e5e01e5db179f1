// Retention: causal linear attention whose state factors, S_t = exp(g_t) S_{t-1} + k_t v_t^T, o_t = scale q_t
// S_t.
//
// A sequence is walked in chunks of C steps, one (sequence, head) pair per task. With a_i = g_0 + ... + g_i
// inside the chunk, D_ij = exp(a_i - a_j) for i >= j, e_i = exp(a_i) and r_i = exp(a_last - a_i):
//
//   O = (Q K^T . D) V + e . (Q S)          S <- exp(a_last) S + (r . K)^T V
//
// and backward, from the last chunk to the first, with P = dO V^T . D:
//
//   dQ = P K + e . (dO S^T)                dK = P^T Q + r . (V dS^T)
//   dV = (Q K^T . D)^T dO + r . (K dS)     dS <- exp(a_last) dS + (e . Q)^T dO
//
// C = T is the parallel form, C = 1 the recurrent one (Sun et al., "Retentive Network", 2023, section 2.3).
// About 2 T (C (K + V) / 2 + 2 K V) FLOP per head forward, two and a half times that backward for C = K = V,
// which first rebuilds the states at the chunks' starts (T / C K V elements per task) instead of reading them
// back from forward.
//
// Every exponent is a difference that is zero or less, so nothing overflows; a is summed in double, because
// after a strong decay the difference of two large numbers has to give a small one. The decay's gradient is
// collected from pairs (i, j), j < i: each adds to g_{j+1} ... g_i. Both ends of a pair take the same number
// in double, so that what cancels leaves only rounding in double.

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <vector>

#include "common/checks.h"
#include "common/dtypes.h"
#include "common/retention_sizes.h"
#include "kernel_table.h"
#include "retention_head.h"

namespace {

using frontier::acc_t;
using frontier::acc_type;
using frontier::as_contiguous;
using frontier::check_type;
using frontier::data_if;
using frontier::RetentionSizes;
using frontier::Scratch;
using torch::headeronly::ScalarType;
using torch::stable::new_empty;
using torch::stable::parallel_for;
using torch::stable::Tensor;

void check_decay(const Tensor& log_decay) {
  const int64_t count = log_decay.numel();
  frontier::dispatch_floating(log_decay, "log_decay", [&](auto zero) {
    using S = decltype(zero);
    const S* g = log_decay.const_data_ptr<S>();
    for (int64_t i = 0; i < count; ++i)
      STD_TORCH_CHECK(static_cast<double>(g[i]) <= 0, "log_decay: got ", static_cast<double>(g[i]),
                      ", wanted zero or less: it is the logarithm of a factor of at most one");
  });
}

// Sizes of one call whose values fit too. `starts[n]` is where sequence n begins, in time steps over all
// batches.
struct Shape : RetentionSizes {
  int64_t chunk;
  std::vector<int64_t> starts;

  Shape(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_decay,
        const std::optional<Tensor>& initial, const std::optional<Tensor>& cu_seqlens, int64_t chunk_size)
      : RetentionSizes(q, k, v, log_decay, initial, cu_seqlens, chunk_size),
        chunk(chunk_size == 0 ? std::max<int64_t>(time, 1) : chunk_size) {
    check_decay(log_decay);
    if (cu_seqlens) {
      const int64_t* start = cu_seqlens->const_data_ptr<int64_t>();
      starts.assign(start, start + sequences + 1);
      STD_TORCH_CHECK(starts.front() == 0, "cu_seqlens: got ", starts.front(), " first, wanted 0");
      STD_TORCH_CHECK(starts.back() == time, "cu_seqlens: got ", starts.back(), " last, wanted ", time,
                      ", the steps of q");
      for (int64_t n = 0; n < sequences; ++n)
        STD_TORCH_CHECK(starts[n] <= starts[n + 1], "cu_seqlens: got ", starts[n + 1], " after ", starts[n],
                        ", wanted it to rise");
    } else {
      for (int64_t n = 0; n <= batch; ++n) starts.push_back(n * time);
    }
  }
};

// Numbers that a thread keeps from call to call.
constexpr int64_t kKept = 4 << 20;

// The head of a sequence that task number `task` works on.
template <typename T, typename S>
frontier::Sequence<S> head_of(const Shape& n, int64_t task, const T* q, const T* k, const T* v,
                              const S* log_decay, double scale) {
  const int64_t sequence = task / n.heads, head = task % n.heads, start = n.starts[sequence];
  const int64_t row = start * n.heads + head;
  return {q + row * n.key,
          k + row * n.key,
          v + row * n.value,
          frontier::kElement<T>,
          n.starts[sequence + 1] - start,
          n.heads,
          n.key,
          n.value,
          n.chunk,
          log_decay + (n.per_token ? row : head),
          n.per_token ? n.heads : 0,
          static_cast<S>(scale)};
}

std::tuple<Tensor, Tensor> retention(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in,
                                     const Tensor& log_decay_in, const std::optional<Tensor>& initial_in,
                                     const std::optional<Tensor>& cu_seqlens_in, int64_t chunk_size,
                                     double scale) {
  const Tensor q = as_contiguous(q_in), k = as_contiguous(k_in), v = as_contiguous(v_in);
  const Tensor log_decay = as_contiguous(log_decay_in);
  const std::optional<Tensor> initial = as_contiguous(initial_in), cu_seqlens = as_contiguous(cu_seqlens_in);
  const Shape n(q, k, v, log_decay, initial, cu_seqlens, chunk_size);
  Tensor o = new_empty(v, {n.batch, n.time, n.heads, n.value});
  Tensor state = new_empty(v, {n.sequences, n.heads, n.key, n.value}, acc_type(q));
  frontier::dispatch_floating(q, "retention", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const T *pq = q.const_data_ptr<T>(), *pk = k.const_data_ptr<T>(), *pv = v.const_data_ptr<T>();
    const S *pg = log_decay.const_data_ptr<S>(), *first_state = data_if<S>(initial);
    T* po = o.mutable_data_ptr<T>();
    S* ps = state.mutable_data_ptr<S>();
    const int64_t size = n.key * n.value;
    parallel_for(0, n.sequences * n.heads, 1, [&](int64_t begin, int64_t end) {
      static thread_local Scratch<S> memory;
      for (int64_t task = begin; task < end; ++task) {
        const frontier::Sequence<S> one = head_of(n, task, pq, pk, pv, pg, scale);
        T* out = po + (n.starts[task / n.heads] * n.heads + task % n.heads) * n.value;
        frontier::kernels<S>().retention_forward(one, first_state ? first_state + task * size : nullptr, out,
                                                 ps + task * size, memory);
      }
      memory.shrink(kKept);
    });
  });
  return {o, state};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> retention_backward(
    const std::optional<Tensor>& grad_in, const std::optional<Tensor>& grad_state_in, const Tensor& q_in,
    const Tensor& k_in, const Tensor& v_in, const Tensor& log_decay_in,
    const std::optional<Tensor>& initial_in, const std::optional<Tensor>& cu_seqlens_in, int64_t chunk_size,
    double scale, bool decay) {
  const Tensor q = as_contiguous(q_in), k = as_contiguous(k_in), v = as_contiguous(v_in);
  const Tensor log_decay = as_contiguous(log_decay_in);
  const std::optional<Tensor> initial = as_contiguous(initial_in), cu_seqlens = as_contiguous(cu_seqlens_in);
  const std::optional<Tensor> grad = as_contiguous(grad_in), grad_state = as_contiguous(grad_state_in);
  const Shape n(q, k, v, log_decay, initial, cu_seqlens, chunk_size);
  if (grad) {
    frontier::check_shape("grad", *grad, n.batch, n.time, n.heads, n.value);
    check_type("grad", *grad, q.scalar_type());
  }
  if (grad_state) {
    frontier::check_shape("grad_state", *grad_state, n.sequences, n.heads, n.key, n.value);
    check_type("grad_state", *grad_state, acc_type(q));
  }
  Tensor dq = new_empty(q, {n.batch, n.time, n.heads, n.key});
  Tensor dk = new_empty(k, {n.batch, n.time, n.heads, n.key});
  Tensor dv = new_empty(v, {n.batch, n.time, n.heads, n.value});
  Tensor dlog_decay = !decay        ? new_empty(log_decay, {0})
                      : n.per_token ? new_empty(log_decay, {n.batch, n.time, n.heads})
                                    : new_empty(log_decay, {n.heads});
  Tensor dinitial = new_empty(log_decay, {initial ? n.sequences : 0, n.heads, n.key, n.value});
  frontier::dispatch_floating(q, "retention_backward", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const T *pq = q.const_data_ptr<T>(), *pk = k.const_data_ptr<T>(), *pv = v.const_data_ptr<T>();
    const T* pgrad = data_if<T>(grad);
    const S *pg = log_decay.const_data_ptr<S>(), *first_state = data_if<S>(initial);
    const S* last_grad = data_if<S>(grad_state);
    T *out_q = dq.mutable_data_ptr<T>(), *out_k = dk.mutable_data_ptr<T>(), *out_v = dv.mutable_data_ptr<T>();
    S* out_decay = dlog_decay.mutable_data_ptr<S>();
    S* out_initial = initial ? dinitial.mutable_data_ptr<S>() : nullptr;
    const int64_t size = n.key * n.value;
    std::vector<double> head_decay(n.sequences * n.heads, 0);
    parallel_for(0, n.sequences * n.heads, 1, [&](int64_t begin, int64_t end) {
      static thread_local Scratch<S> memory;
      for (int64_t task = begin; task < end; ++task) {
        const frontier::Sequence<S> one = head_of(n, task, pq, pk, pv, pg, scale);
        const int64_t row = n.starts[task / n.heads] * n.heads + task % n.heads;
        const frontier::Gradients<S> gradients{
            pgrad ? pgrad + row * n.value : nullptr,
            last_grad ? last_grad + task * size : nullptr,
            out_q + row * n.key,
            out_k + row * n.key,
            out_v + row * n.value,
            decay && n.per_token ? out_decay + row : nullptr,
            decay && !n.per_token ? &head_decay[task] : nullptr,
            out_initial ? out_initial + task * size : nullptr,
        };
        frontier::kernels<S>().retention_backward(one, first_state ? first_state + task * size : nullptr,
                                                  gradients, memory);
      }
      memory.shrink(kKept);
    });
    if (decay && !n.per_token)
      for (int64_t h = 0; h < n.heads; ++h) {
        double sum = 0;
        for (int64_t b = 0; b < n.sequences; ++b) sum += head_decay[b * n.heads + h];
        out_decay[h] = static_cast<S>(sum);
      }
  });
  return {dq, dk, dv, dlog_decay, dinitial};
}

// One step of decoding, one pass over the state: each of its K rows factors, takes in k_d v, and is added to
// the output while it is at hand. 2 K V elements moved, 5 K V FLOP per head.
Tensor retention_step(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in, Tensor state,
                      const Tensor& log_decay_in, double scale) {
  const Tensor q = as_contiguous(q_in), k = as_contiguous(k_in), v = as_contiguous(v_in);
  const Tensor log_decay = as_contiguous(log_decay_in);
  frontier::check_dims("q", q, 3);
  frontier::check_dims("v", v, 3);
  const int64_t batch = q.size(0), heads = q.size(1), key = q.size(2), value = v.size(2);
  frontier::check_shape("k", k, batch, heads, key);
  frontier::check_shape("v", v, batch, heads, value);
  frontier::check_shape("state", state, batch, heads, key, value);
  const bool per_batch = log_decay.dim() == 2;
  if (per_batch)
    frontier::check_shape("log_decay", log_decay, batch, heads);
  else
    frontier::check_shape("log_decay", log_decay, heads);
  check_type("k", k, q.scalar_type());
  check_type("v", v, q.scalar_type());
  check_type("state", state, acc_type(q));
  check_type("log_decay", log_decay, acc_type(q));
  check_decay(log_decay);
  STD_TORCH_CHECK(state.is_contiguous(), "state: is updated in place and has to be contiguous");
  Tensor o = new_empty(v, {batch, heads, value});
  frontier::dispatch_floating(q, "retention_step", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const T *pq = q.const_data_ptr<T>(), *pk = k.const_data_ptr<T>(), *pv = v.const_data_ptr<T>();
    const S* pg = log_decay.const_data_ptr<S>();
    T* po = o.mutable_data_ptr<T>();
    S* ps = state.mutable_data_ptr<S>();
    parallel_for(0, batch * heads, 8, [&](int64_t begin, int64_t end) {
      std::vector<S> rows(std::is_same_v<T, S> ? 0 : 2 * (key + value));
      for (int64_t task = begin; task < end; ++task) {
        const S expm1_decay = std::expm1(pg[per_batch ? task : task % heads]);
        const T *tq = pq + task * key, *tk = pk + task * key, *tv = pv + task * value;
        S* s = ps + task * key * value;
        const auto& step = frontier::kernels<S>().retention_step;
        if constexpr (std::is_same_v<T, S>) {
          step(tq, tk, tv, s, po + task * value, expm1_decay, static_cast<S>(scale), key, value);
        } else {
          S *wq = rows.data(), *wk = wq + key, *wv = wk + key, *wo = wv + value;
          frontier::convert(tq, wq, key);
          frontier::convert(tk, wk, key);
          frontier::convert(tv, wv, value);
          step(wq, wk, wv, s, wo, expm1_decay, static_cast<S>(scale), key, value);
          frontier::convert(wo, po + task * value, value);
        }
      }
    });
  });
  return o;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(frontier_kernels, CPU, m) {
  m.impl("retention", TORCH_BOX(&retention));
  m.impl("retention_backward", TORCH_BOX(&retention_backward));
  m.impl("retention_step", TORCH_BOX(&retention_step));
}

// Retention: causal linear attention whose state fades, S_t = exp(g_t) S_{t-1} + k_t v_t^T, o_t = scale q_t
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
// About 2 T (C (K + V) / 2 + 2 K V) FLOP per head forward, three times that backward, which first rebuilds
// the states at the chunks' starts (T / C K V numbers per task) instead of reading them back from forward.
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

#include "cpu/dispatch.h"
#include "cpu/gemm.h"
#include "cpu/plan.h"

namespace {

using frontier::dense;
using frontier::Sum;
using torch::headeronly::ScalarType;
using torch::stable::new_empty;
using torch::stable::parallel_for;
using torch::stable::Tensor;

// exp of it is zero even in double; clamping here keeps a decay of exactly zero, log -inf, free of inf - inf.
constexpr double kForgotten = -1000;

template <typename T>
const T* data_if(const std::optional<Tensor>& tensor) {
  return tensor ? tensor->const_data_ptr<T>() : nullptr;
}

ScalarType sum_type(const Tensor& tensor) {
  return tensor.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

// Raises unless the tensor has this element type: a pointer to another would read past its end.
void check_type(const char* name, const Tensor& tensor, ScalarType wanted) {
  STD_TORCH_CHECK(tensor.scalar_type() == wanted, name, ": does not have the element type that goes with q");
}

void check_decay(const Tensor& log_decay) {
  const int64_t count = log_decay.numel();
  frontier::for_real(log_decay, "log_decay", [&](auto zero) {
    using S = decltype(zero);
    const S* g = log_decay.const_data_ptr<S>();
    for (int64_t i = 0; i < count; ++i)
      STD_TORCH_CHECK(static_cast<double>(g[i]) <= 0, "log_decay: got ", static_cast<double>(g[i]),
                      ", wanted zero or less: it is the logarithm of a factor of at most one");
  });
}

// Sizes of one call, checked. `starts[n]` is where sequence n begins, in time steps over all batches.
struct Shape {
  int64_t batch, time, heads, key, value, sequences, chunk;
  bool per_token;
  std::vector<int64_t> starts;

  Shape(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_decay,
        const std::optional<Tensor>& initial, const std::optional<Tensor>& cu_seqlens, int64_t chunk_size) {
    frontier::check_dims("q", q, 4);
    frontier::check_dims("v", v, 4);
    batch = q.size(0), time = q.size(1), heads = q.size(2), key = q.size(3), value = v.size(3);
    frontier::check_shape("k", k, batch, time, heads, key);
    frontier::check_shape("v", v, batch, time, heads, value);
    check_type("k", k, q.scalar_type());
    check_type("v", v, q.scalar_type());
    check_type("log_decay", log_decay, sum_type(q));
    per_token = log_decay.dim() == 3;
    if (per_token)
      frontier::check_shape("log_decay", log_decay, batch, time, heads);
    else
      frontier::check_shape("log_decay", log_decay, heads);
    check_decay(log_decay);
    sequences = batch;
    if (cu_seqlens) {
      check_type("cu_seqlens", *cu_seqlens, ScalarType::Long);
      frontier::check_dims("cu_seqlens", *cu_seqlens, 1);
      STD_TORCH_CHECK(batch == 1, "cu_seqlens: got a batch of ", batch, ", wanted 1, packed along time");
      sequences = cu_seqlens->size(0) - 1;
      STD_TORCH_CHECK(sequences >= 0, "cu_seqlens: got no elements, wanted at least a zero");
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
    if (initial) {
      check_type("initial_state", *initial, sum_type(q));
      frontier::check_shape("initial_state", *initial, sequences, heads, key, value);
    }
    STD_TORCH_CHECK(chunk_size >= 0, "chunk_size: got ", chunk_size,
                    ", wanted 1 or more, or 0 for one chunk");
    chunk = chunk_size == 0 ? std::max<int64_t>(time, 1) : chunk_size;
  }

  // Longest chunk of any sequence, which sizes the scratch memory.
  int64_t longest() const {
    int64_t longest = 0;
    for (int64_t n = 0; n < sequences; ++n) longest = std::max(longest, starts[n + 1] - starts[n]);
    return std::min(longest, chunk);
  }
};

// Copies `count` steps of one head out of [steps, heads, width] into [count, width], times `scale`.
template <typename T, typename S>
void gather(const T* in, const Shape& n, int64_t first, int64_t count, int64_t head, int64_t width, S scale,
            S* out) {
  for (int64_t i = 0; i < count; ++i) {
    const T* row = in + ((first + i) * n.heads + head) * width;
    for (int64_t d = 0; d < width; ++d) out[i * width + d] = scale * static_cast<S>(row[d]);
  }
}

template <typename S, typename T>
void scatter(const S* in, const Shape& n, int64_t first, int64_t count, int64_t head, int64_t width, S scale,
             T* out) {
  for (int64_t i = 0; i < count; ++i) {
    T* row = out + ((first + i) * n.heads + head) * width;
    for (int64_t d = 0; d < width; ++d) row[d] = static_cast<T>(scale * in[i * width + d]);
  }
}

// a_i: sums of log decays from the chunk's start through step i.
template <typename S>
void sum_decays(const S* log_decay, const Shape& n, int64_t first, int64_t count, int64_t head, double* a) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const S g = log_decay[n.per_token ? (first + i) * n.heads + head : head];
    a[i] = sum += std::max(static_cast<double>(g), kForgotten);
  }
}

// The factors of a chunk of n steps: within[i n + j] = exp(a_i - a_j) for j <= i (above the diagonal it is
// not set), since_start[i] = exp(a_i), to_end[i] = exp(a_last - a_i). A head whose decay does not change
// needs n exponentials, not n^2 / 2, and the same factors in every chunk.
template <typename S>
class Fades {
 public:
  explicit Fades(int64_t longest) : within_(longest * longest), since_start_(longest), to_end_(longest) {}

  // For a new head.
  void forget() { steps_ = -1; }

  void fill(const double* a, int64_t n, bool constant) {
    if (constant && steps_ == n) return;
    steps_ = n;
    const auto& kernels = frontier::kernels<S>();
    for (int64_t i = 0; i < n; ++i) {
      since_start_[i] = static_cast<S>(a[i]);
      to_end_[i] = static_cast<S>(constant ? a[0] * static_cast<double>(n - 1 - i) : a[n - 1] - a[i]);
    }
    kernels.exponentials(since_start_.data(), since_start_.data(), n);
    kernels.exponentials(to_end_.data(), to_end_.data(), n);
    for (int64_t i = 0; i < n; ++i) {
      S* row = within_.data() + i * n;
      if (constant) {
        std::copy_n(to_end_.data() + n - 1 - i, i + 1, row);
        continue;
      }
      for (int64_t j = 0; j <= i; ++j) row[j] = static_cast<S>(a[i] - a[j]);
      kernels.exponentials(row, row, i + 1);
    }
  }

  const S* within(int64_t i) const { return within_.data() + i * steps_; }
  S since_start(int64_t i) const { return since_start_[i]; }
  S to_end(int64_t i) const { return to_end_[i]; }

 private:
  int64_t steps_ = -1;
  std::vector<S> within_, since_start_, to_end_;
};

// Sum of x_i y_i in double, in eight interleaved parts: an order that depends on nothing but the length.
template <typename S>
double dot(const S* x, const S* y, int64_t count) {
  double parts[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int64_t u = 0; u < 8; ++u) parts[u] += static_cast<double>(x[i + u]) * static_cast<double>(y[i + u]);
  for (; i < count; ++i) parts[i % 8] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

template <typename S>
void scale_row(S* row, int64_t width, S factor) {
  for (int64_t d = 0; d < width; ++d) row[d] *= factor;
}

// C[m, n] += A[m, k] B[k, n], all contiguous, on the products of this machine's instruction set.
template <typename S>
void multiply_add(const S* a, const S* b, S* c, int64_t m, int64_t n, int64_t k) {
  const frontier::Factor left{a, k, frontier::Element::real, true},
      right{b, n, frontier::Element::real, false};
  frontier::kernels<S>().multiply(left, right, c, m, n, k, true);
}

// C[m, n] = A[m, k] B[n, k]^T.
template <typename S>
void multiply_transposed(const S* a, const S* b, S* c, int64_t m, int64_t n, int64_t k) {
  const frontier::Factor left{a, k, frontier::Element::real, true},
      right{b, k, frontier::Element::real, true};
  frontier::kernels<S>().multiply(left, right, c, m, n, k, false);
}

// C[m, n] += A[k, m]^T B[k, n].
template <typename S>
void transposed_multiply_add(const S* a, const S* b, S* c, int64_t m, int64_t n, int64_t k) {
  const frontier::Factor left{a, m, frontier::Element::real, false},
      right{b, n, frontier::Element::real, false};
  frontier::kernels<S>().multiply(left, right, c, m, n, k, true);
}

// Height of the blocks on the diagonal of a causal product, each of which is a triangle of its own.
constexpr int64_t kTriangle = 16;

// C[i] += sum over j <= i of A[i, j] B[j], with A [n, n] and B, C [n, m]. What lies above the diagonal is not
// read, and a step cannot see a later one even if that is infinite.
template <typename S>
void lower_multiply_add(const S* a, const S* b, S* c, int64_t n, int64_t m) {
  const auto& kernels = frontier::kernels<S>();
  for (int64_t i = 0; i < n; i += kTriangle) {
    const int64_t height = std::min(kTriangle, n - i);
    if (i > 0)
      kernels.multiply({a + i * n, n, frontier::Element::real, true}, {b, m, frontier::Element::real, false},
                       c + i * m, height, m, i, true);
    kernels.triangle(a + i * n + i, n, b + i * m, c + i * m, height, m, false);
  }
}

// C[j] += sum over i >= j of A[i, j] B[i], with A [n, n] and B, C [n, m].
template <typename S>
void lower_transposed_multiply_add(const S* a, const S* b, S* c, int64_t n, int64_t m) {
  const auto& kernels = frontier::kernels<S>();
  for (int64_t j = 0; j < n; j += kTriangle) {
    const int64_t height = std::min(kTriangle, n - j), below = j + height;
    kernels.triangle(a + j * n + j, n, b + j * m, c + j * m, height, m, true);
    if (below < n)
      kernels.multiply({a + below * n + j, n, frontier::Element::real, false},
                       {b + below * m, m, frontier::Element::real, false}, c + j * m, height, m, n - below,
                       true);
  }
}

// S <- exp(a_last) S + (r . K)^T V; the rows of `k` are scaled in place.
template <typename S>
void advance(S* state, S* k, const S* v, const Fades<S>& fades, int64_t count, int64_t key, int64_t value) {
  for (int64_t i = 0; i < count; ++i) scale_row(k + i * key, key, fades.to_end(i));
  scale_row(state, key * value, fades.since_start(count - 1));
  transposed_multiply_add(k, v, state, key, value, count);
}

std::tuple<Tensor, Tensor> retention(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in,
                                     const Tensor& log_decay_in, const std::optional<Tensor>& initial_in,
                                     const std::optional<Tensor>& cu_seqlens_in, int64_t chunk_size,
                                     double scale) {
  const Tensor q = dense(q_in), k = dense(k_in), v = dense(v_in);
  const Tensor log_decay = dense(log_decay_in);
  const std::optional<Tensor> initial = dense(initial_in), cu_seqlens = dense(cu_seqlens_in);
  const Shape n(q, k, v, log_decay, initial, cu_seqlens, chunk_size);
  Tensor o = new_empty(v, {n.batch, n.time, n.heads, n.value});
  Tensor state = new_empty(v, {n.sequences, n.heads, n.key, n.value}, sum_type(q));
  frontier::for_real(q, "retention", [&](auto zero) {
    using T = decltype(zero);
    using S = Sum<T>;
    const T *pq = q.const_data_ptr<T>(), *pk = k.const_data_ptr<T>(), *pv = v.const_data_ptr<T>();
    const S *pg = log_decay.const_data_ptr<S>(), *first_state = data_if<S>(initial);
    T* po = o.mutable_data_ptr<T>();
    S* ps = state.mutable_data_ptr<S>();
    const int64_t c = n.longest(), size = n.key * n.value;
    parallel_for(0, n.sequences * n.heads, 1, [&](int64_t begin, int64_t end) {
      std::vector<S> qc(c * n.key), kc(c * n.key), vc(c * n.value), oc(c * n.value), scores(c * c);
      std::vector<double> a(c);
      Fades<S> fades(c);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t sequence = task / n.heads, head = task % n.heads, stop = n.starts[sequence + 1];
        fades.forget();
        S* s = ps + task * size;  // [K, V]
        if (first_state)
          std::copy_n(first_state + task * size, size, s);
        else
          std::fill_n(s, size, S(0));
        for (int64_t first = n.starts[sequence]; first < stop; first += n.chunk) {
          const int64_t count = std::min(n.chunk, stop - first);
          gather(pq, n, first, count, head, n.key, static_cast<S>(scale), qc.data());
          gather(pk, n, first, count, head, n.key, S(1), kc.data());
          gather(pv, n, first, count, head, n.value, S(1), vc.data());
          sum_decays(pg, n, first, count, head, a.data());
          fades.fill(a.data(), count, !n.per_token);
          std::fill_n(oc.begin(), count * n.value, S(0));
          multiply_add(qc.data(), s, oc.data(), count, n.value, n.key);  // [n, V]
          for (int64_t i = 0; i < count; ++i)
            scale_row(oc.data() + i * n.value, n.value, fades.since_start(i));
          multiply_transposed(qc.data(), kc.data(), scores.data(), count, count, n.key);  // [n, n]
          for (int64_t i = 0; i < count; ++i) {
            const S* fade = fades.within(i);
            for (int64_t j = 0; j < i; ++j) scores[i * count + j] *= fade[j];
          }
          lower_multiply_add(scores.data(), vc.data(), oc.data(), count, n.value);
          scatter(oc.data(), n, first, count, head, n.value, S(1), po);
          advance(s, kc.data(), vc.data(), fades, count, n.key, n.value);
        }
      }
    });
  });
  return {o, state};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> retention_backward(
    const std::optional<Tensor>& grad_in, const std::optional<Tensor>& grad_state_in, const Tensor& q_in,
    const Tensor& k_in, const Tensor& v_in, const Tensor& log_decay_in,
    const std::optional<Tensor>& initial_in, const std::optional<Tensor>& cu_seqlens_in, int64_t chunk_size,
    double scale) {
  const Tensor q = dense(q_in), k = dense(k_in), v = dense(v_in);
  const Tensor log_decay = dense(log_decay_in);
  const std::optional<Tensor> initial = dense(initial_in), cu_seqlens = dense(cu_seqlens_in);
  const std::optional<Tensor> grad = dense(grad_in), grad_state = dense(grad_state_in);
  const Shape n(q, k, v, log_decay, initial, cu_seqlens, chunk_size);
  if (grad) {
    frontier::check_shape("grad", *grad, n.batch, n.time, n.heads, n.value);
    check_type("grad", *grad, q.scalar_type());
  }
  if (grad_state) {
    frontier::check_shape("grad_state", *grad_state, n.sequences, n.heads, n.key, n.value);
    check_type("grad_state", *grad_state, sum_type(q));
  }
  Tensor dq = new_empty(q, {n.batch, n.time, n.heads, n.key});
  Tensor dk = new_empty(k, {n.batch, n.time, n.heads, n.key});
  Tensor dv = new_empty(v, {n.batch, n.time, n.heads, n.value});
  Tensor dlog_decay =
      n.per_token ? new_empty(log_decay, {n.batch, n.time, n.heads}) : new_empty(log_decay, {n.heads});
  Tensor dinitial = new_empty(log_decay, {initial ? n.sequences : 0, n.heads, n.key, n.value});
  frontier::for_real(q, "retention_backward", [&](auto zero) {
    using T = decltype(zero);
    using S = Sum<T>;
    const T *pq = q.const_data_ptr<T>(), *pk = k.const_data_ptr<T>(), *pv = v.const_data_ptr<T>();
    const T* pgrad = data_if<T>(grad);
    const S *pg = log_decay.const_data_ptr<S>(), *first_state = data_if<S>(initial);
    const S* last_grad = data_if<S>(grad_state);
    T *out_q = dq.mutable_data_ptr<T>(), *out_k = dk.mutable_data_ptr<T>(), *out_v = dv.mutable_data_ptr<T>();
    S* out_decay = dlog_decay.mutable_data_ptr<S>();
    S* out_initial = initial ? dinitial.mutable_data_ptr<S>() : nullptr;
    const int64_t c = n.longest(), size = n.key * n.value, widest = std::max(n.key, n.value);
    std::vector<double> head_decay(n.sequences * n.heads, 0);
    parallel_for(0, n.sequences * n.heads, 1, [&](int64_t begin, int64_t end) {
      std::vector<S> qc(c * n.key), kc(c * n.key), vc(c * n.value), oc(c * n.value), dc(c * widest);
      std::vector<S> scores(c * c), dscores(c * c), ds(size), states;
      std::vector<double> a(c), da(c);
      Fades<S> fades(c);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t sequence = task / n.heads, head = task % n.heads;
        fades.forget();
        const int64_t start = n.starts[sequence], stop = n.starts[sequence + 1];
        const int64_t chunks = (stop - start + n.chunk - 1) / n.chunk;
        states.resize((chunks + 1) * size);
        if (first_state)
          std::copy_n(first_state + task * size, size, states.begin());
        else
          std::fill_n(states.begin(), size, S(0));
        for (int64_t b = 0; b + 1 < chunks; ++b) {
          const int64_t first = start + b * n.chunk;
          gather(pk, n, first, n.chunk, head, n.key, S(1), kc.data());
          gather(pv, n, first, n.chunk, head, n.value, S(1), vc.data());
          sum_decays(pg, n, first, n.chunk, head, a.data());
          fades.fill(a.data(), n.chunk, !n.per_token);
          S* next = states.data() + (b + 1) * size;
          std::copy_n(next - size, size, next);
          advance(next, kc.data(), vc.data(), fades, n.chunk, n.key, n.value);
        }
        if (last_grad)
          std::copy_n(last_grad + task * size, size, ds.begin());
        else
          std::fill(ds.begin(), ds.end(), S(0));
        for (int64_t b = chunks - 1; b >= 0; --b) {
          const int64_t first = start + b * n.chunk, count = std::min(n.chunk, stop - first);
          const S* s = states.data() + b * size;  // [K, V]
          gather(pq, n, first, count, head, n.key, static_cast<S>(scale), qc.data());
          gather(pk, n, first, count, head, n.key, S(1), kc.data());
          gather(pv, n, first, count, head, n.value, S(1), vc.data());
          if (pgrad)
            gather(pgrad, n, first, count, head, n.value, S(1), oc.data());
          else
            std::fill_n(oc.begin(), count * n.value, S(0));
          sum_decays(pg, n, first, count, head, a.data());
          fades.fill(a.data(), count, !n.per_token);
          std::fill(da.begin(), da.end(), 0.0);

          multiply_transposed(qc.data(), kc.data(), scores.data(), count, count, n.key);     // Q K^T
          multiply_transposed(oc.data(), vc.data(), dscores.data(), count, count, n.value);  // dO V^T
          for (int64_t i = 0; i < count; ++i) {
            const S* fade = fades.within(i);
            S *score = scores.data() + i * count, *dscore = dscores.data() + i * count;
            for (int64_t j = 0; j < i; ++j) score[j] *= fade[j];
            da[i] += dot(score, dscore, i);
            for (int64_t j = 0; j < i; ++j)
              da[j] -= static_cast<double>(score[j]) * static_cast<double>(dscore[j]);
            for (int64_t j = 0; j < i; ++j) dscore[j] *= fade[j];
          }

          multiply_transposed(oc.data(), s, dc.data(), count, n.key, n.value);  // dO S^T
          for (int64_t i = 0; i < count; ++i) {
            S* row = dc.data() + i * n.key;
            scale_row(row, n.key, fades.since_start(i));
            da[i] += dot(row, qc.data() + i * n.key, n.key);
          }
          lower_multiply_add(dscores.data(), kc.data(), dc.data(), count, n.key);
          scatter(dc.data(), n, first, count, head, n.key, static_cast<S>(scale), out_q);

          multiply_transposed(vc.data(), ds.data(), dc.data(), count, n.key, n.value);  // V dS^T
          for (int64_t j = 0; j < count; ++j) {
            S* row = dc.data() + j * n.key;
            scale_row(row, n.key, fades.to_end(j));
            // The last step's own k v^T reaches the state undecayed.
            if (j == count - 1) break;
            const double pair = dot(row, kc.data() + j * n.key, n.key);
            da[j] -= pair;
            da[count - 1] += pair;
          }
          lower_transposed_multiply_add(dscores.data(), qc.data(), dc.data(), count, n.key);
          scatter(dc.data(), n, first, count, head, n.key, S(1), out_k);

          std::fill_n(dc.begin(), count * n.value, S(0));
          multiply_add(kc.data(), ds.data(), dc.data(), count, n.value, n.key);  // K dS
          for (int64_t j = 0; j < count; ++j) scale_row(dc.data() + j * n.value, n.value, fades.to_end(j));
          lower_transposed_multiply_add(scores.data(), oc.data(), dc.data(), count, n.value);
          scatter(dc.data(), n, first, count, head, n.value, S(1), out_v);

          scale_row(ds.data(), size, fades.since_start(count - 1));
          da[count - 1] += dot(s, ds.data(), size);
          for (int64_t i = 0; i < count; ++i) scale_row(qc.data() + i * n.key, n.key, fades.since_start(i));
          transposed_multiply_add(qc.data(), oc.data(), ds.data(), n.key, n.value, count);

          double sum = 0;
          for (int64_t i = count - 1; i >= 0; --i) {
            sum += da[i];
            if (n.per_token)
              out_decay[(first + i) * n.heads + head] = static_cast<S>(sum);
            else
              head_decay[task] += sum;
          }
        }
        if (out_initial) std::copy_n(ds.begin(), size, out_initial + task * size);
      }
    });
    if (!n.per_token)
      for (int64_t h = 0; h < n.heads; ++h) {
        double sum = 0;
        for (int64_t b = 0; b < n.sequences; ++b) sum += head_decay[b * n.heads + h];
        out_decay[h] = static_cast<S>(sum);
      }
  });
  return {dq, dk, dv, dlog_decay, dinitial};
}

// One step of decoding, one pass over the state: each of its K rows fades, takes in k_d v, and is added to
// the output while it is at hand. 2 K V numbers moved, 5 K V FLOP per head.
Tensor retention_step(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in, Tensor state,
                      const Tensor& log_decay_in, double scale) {
  const Tensor q = dense(q_in), k = dense(k_in), v = dense(v_in);
  const Tensor log_decay = dense(log_decay_in);
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
  check_type("state", state, sum_type(q));
  check_type("log_decay", log_decay, sum_type(q));
  check_decay(log_decay);
  STD_TORCH_CHECK(state.is_contiguous(), "state: is updated in place and has to be contiguous");
  Tensor o = new_empty(v, {batch, heads, value});
  frontier::for_real(q, "retention_step", [&](auto zero) {
    using T = decltype(zero);
    using S = Sum<T>;
    const T *pq = q.const_data_ptr<T>(), *pk = k.const_data_ptr<T>(), *pv = v.const_data_ptr<T>();
    const S* pg = log_decay.const_data_ptr<S>();
    T* po = o.mutable_data_ptr<T>();
    S* ps = state.mutable_data_ptr<S>();
    parallel_for(0, batch * heads, 8, [&](int64_t begin, int64_t end) {
      std::vector<S> row_v(value), sum(value);
      for (int64_t task = begin; task < end; ++task) {
        const S decay = std::exp(pg[per_batch ? task : task % heads]);
        frontier::convert(pv + task * value, row_v.data(), value);
        std::fill(sum.begin(), sum.end(), S(0));
        for (int64_t d = 0; d < key; ++d) {
          const S write = static_cast<S>(pk[task * key + d]);
          const S read = static_cast<S>(scale) * static_cast<S>(pq[task * key + d]);
          S* row = ps + (task * key + d) * value;
          for (int64_t j = 0; j < value; ++j) {
            row[j] = decay * row[j] + write * row_v[j];
            sum[j] += read * row[j];
          }
        }
        frontier::convert(sum.data(), po + task * value, value);
      }
    });
  });
  return o;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(frontier_kernels, m) {
  m.def(
      "retention(Tensor q, Tensor k, Tensor v, Tensor log_decay, Tensor? initial_state, Tensor? cu_seqlens, "
      "int chunk_size, float scale) -> (Tensor, Tensor)");
  m.def(
      "retention_backward(Tensor? grad, Tensor? grad_state, Tensor q, Tensor k, Tensor v, Tensor log_decay, "
      "Tensor? initial_state, Tensor? cu_seqlens, int chunk_size, float scale) "
      "-> (Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "retention_step(Tensor q, Tensor k, Tensor v, Tensor(a!) state, Tensor log_decay, float scale) "
      "-> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(frontier_kernels, CPU, m) {
  m.impl("retention", TORCH_BOX(&retention));
  m.impl("retention_backward", TORCH_BOX(&retention_backward));
  m.impl("retention_step", TORCH_BOX(&retention_step));
}

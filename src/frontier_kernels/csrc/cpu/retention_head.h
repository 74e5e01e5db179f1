// What retention asks of a processor: one head of one sequence, forward and backward; see retention_chunks.h.

#pragma once

#include <cstdint>

#include "gemm.h"

namespace frontier {

// One head of one sequence. Step t of q begins at q + t heads key elements, of v at v + t heads value.
template <typename S>
struct Sequence {
  const void *q, *k, *v;
  Element element;
  int64_t steps, heads, key, value, chunk;
  const S* log_decay;    // of step t at log_decay[t decay_stride]
  int64_t decay_stride;  // 0: one decay for all steps
  S scale;
};

// Where the gradients come from and go to; `grad` and `grad_state` may be null, and so may the results behind
// `decay`, of every step, or `decay_sum`, of one decay for all of them, and `initial`.
template <typename S>
struct Gradients {
  const void* grad;
  const S* grad_state;
  void *q, *k, *v;
  S* decay;
  double* decay_sum;
  S* initial;
};

template <typename S>
struct Retain {
  // o [T, V] with the strides of v, and the last state [K, V]; `initial` may be null, and be the last state.
  void (*forward)(const Sequence<S>&, const S* initial, void* o, S* state, Scratch<S>& memory);
  void (*backward)(const Sequence<S>&, const S* initial, const Gradients<S>&, Scratch<S>& memory);
  // One step of decoding: state [K, V] in place, o [V] = scale q state; `lost` is the decay less one.
  void (*step)(const S* q, const S* k, const S* v, S* state, S* o, S lost, S scale, int64_t key,
               int64_t value);
};

// For the instruction set that kernels() chooses.
template <typename S>
const Retain<S>& retain();

}  // namespace frontier

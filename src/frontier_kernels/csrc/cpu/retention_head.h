// One head of one sequence, and where its gradients go: what retention hands to a processor's kernels.

#pragma once

#include <cstdint>

#include "kernel_table.h"

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

}  // namespace frontier

// A call of the expert network, as every device takes it: the tensors, the sizes that they agree on, and what
// is checked of both before any pointer is followed.

#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "activations.h"
#include "checks.h"
#include "dtypes.h"

namespace frontier {

// The experts' parameters, contiguous.
struct Experts {
  torch::stable::Tensor w_in, w_out;                 // [E, H or 2H, D], [E, D, H]
  std::optional<torch::stable::Tensor> b_in, b_out;  // [E, H or 2H], [E, D]

  Experts(const torch::stable::Tensor& w_in, const torch::stable::Tensor& w_out,
          const std::optional<torch::stable::Tensor>& b_in, const std::optional<torch::stable::Tensor>& b_out)
      : w_in(as_contiguous(w_in)),
        w_out(as_contiguous(w_out)),
        b_in(as_contiguous(b_in)),
        b_out(as_contiguous(b_out)) {}
};

// Where the rows of each expert lie, contiguous.
struct Maps {
  torch::stable::Tensor offsets, slot_to_row, row_to_slot;  // [E + 1], [T, k], [T k]

  Maps(const torch::stable::Tensor& offsets, const torch::stable::Tensor& slot_to_row,
       const torch::stable::Tensor& row_to_slot)
      : offsets(as_contiguous(offsets)),
        slot_to_row(as_contiguous(slot_to_row)),
        row_to_slot(as_contiguous(row_to_slot)) {}
};

// The sizes of one call; raises unless all shapes agree.
struct NetworkSizes {
  int64_t tokens, width, hidden, inner, experts, top_k, rows;
  Activation activation;

  NetworkSizes(const torch::stable::Tensor& x, const torch::stable::Tensor& weights, const Experts& given,
               const Maps& maps, const std::string& activation_name)
      : activation(activation_from(activation_name)) {
    check_map_shapes(maps.slot_to_row, maps.row_to_slot);
    tokens = maps.slot_to_row.size(0), top_k = maps.slot_to_row.size(1), rows = tokens * top_k;
    check_dims("x", x, 2);
    check_dims("w_out", given.w_out, 3);
    width = x.size(1), experts = given.w_out.size(0), hidden = given.w_out.size(2);
    inner = gated() ? 2 * hidden : hidden;
    check_offset_shape(maps.offsets, experts);
    check_shape("x", x, tokens, width);
    check_shape("weights", weights, tokens, top_k);
    check_shape("w_in", given.w_in, experts, inner, width);
    check_shape("w_out", given.w_out, experts, width, hidden);
    if (given.b_in) check_shape("b_in", *given.b_in, experts, inner);
    if (given.b_out) check_shape("b_out", *given.b_out, experts, width);
  }

  bool gated() const { return is_gated(activation); }
};

// Which gradients a call is asked for, a bias that there is not being left out. That of the routing weights
// is always computed: it comes with the pass over the activations, which all others but db_out need.
struct Wanted {
  bool x, w_in, w_out, b_in, b_out;

  Wanted(bool x, bool w_in, bool w_out, bool b_in, bool b_out, const Experts& given)
      : x(x), w_in(w_in), w_out(w_out), b_in(b_in && given.b_in), b_out(b_out && given.b_out) {}
};

// The gradients of one call, not yet written. One that is not wanted has no rows.
struct ExpertGradients {
  torch::stable::Tensor x, weights, w_in, w_out, b_in, b_out;

  ExpertGradients(const torch::stable::Tensor& x, const torch::stable::Tensor& weights, const NetworkSizes& n,
                  const Wanted& wanted)
      : x(new_empty(x, {wanted.x ? n.tokens : 0, n.width})),
        weights(new_empty(weights, {n.tokens, n.top_k})),
        w_in(new_empty(x, {wanted.w_in ? n.experts : 0, n.inner, n.width})),
        w_out(new_empty(x, {wanted.w_out ? n.experts : 0, n.width, n.hidden})),
        b_in(new_empty(x, {wanted.b_in ? n.experts : 0, n.inner})),
        b_out(new_empty(x, {wanted.b_out ? n.experts : 0, n.width})) {}
};

}  // namespace frontier

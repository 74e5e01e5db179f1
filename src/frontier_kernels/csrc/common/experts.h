// A call of the expert network, as every device takes it: the tensors, the sizes that they agree on, and what
// is checked of both before any pointer is followed.

#pragma once

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

}  // namespace frontier

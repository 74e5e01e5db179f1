// The sizes of a call of retention, as every device takes it; raises unless shapes and element types agree.

#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <cstdint>
#include <optional>

#include "checks.h"
#include "dtypes.h"

namespace frontier {

// Raises unless the tensor has this element type: a pointer to another would read past its end.
inline void check_type(const char* name, const torch::stable::Tensor& tensor,
                       torch::headeronly::ScalarType wanted) {
  STD_TORCH_CHECK(tensor.scalar_type() == wanted, name, ": does not have the element type that goes with q");
}

// Raises unless a kernel has been compiled for this width.
inline void check_width(const char* name, int64_t width, int64_t widest) {
  STD_TORCH_CHECK(width >= 1 && width <= widest, name, ": got a width of ", width, ", wanted 1 to ", widest);
}

struct RetentionSizes {
  int64_t batch, time, heads, key, value, sequences;
  bool per_token;  // whether every token has a decay of its own

  RetentionSizes(const torch::stable::Tensor& q, const torch::stable::Tensor& k,
                 const torch::stable::Tensor& v, const torch::stable::Tensor& log_decay,
                 const std::optional<torch::stable::Tensor>& initial,
                 const std::optional<torch::stable::Tensor>& cu_seqlens, int64_t chunk_size,
                 std::optional<int64_t> widest = std::nullopt) {
    check_dims("q", q, 4);
    check_dims("v", v, 4);
    batch = q.size(0), time = q.size(1), heads = q.size(2), key = q.size(3), value = v.size(3);
    check_shape("k", k, batch, time, heads, key);
    check_shape("v", v, batch, time, heads, value);
    check_type("k", k, q.scalar_type());
    check_type("v", v, q.scalar_type());
    check_type("log_decay", log_decay, acc_type(q));
    if (widest) check_width("q", key, *widest), check_width("v", value, *widest);
    per_token = log_decay.dim() == 3;
    if (per_token)
      check_shape("log_decay", log_decay, batch, time, heads);
    else
      check_shape("log_decay", log_decay, heads);
    sequences = batch;
    if (cu_seqlens) {
      check_type("cu_seqlens", *cu_seqlens, torch::headeronly::ScalarType::Long);
      check_dims("cu_seqlens", *cu_seqlens, 1);
      STD_TORCH_CHECK(batch == 1, "cu_seqlens: got a batch of ", batch, ", wanted 1, packed along time");
      sequences = cu_seqlens->size(0) - 1;
      STD_TORCH_CHECK(sequences >= 0, "cu_seqlens: got no elements, wanted at least a zero");
    }
    if (initial) {
      check_type("initial_state", *initial, acc_type(q));
      check_shape("initial_state", *initial, sequences, heads, key, value);
    }
    STD_TORCH_CHECK(chunk_size >= 0, "chunk_size: got ", chunk_size,
                    ", wanted 1 or more, or 0 for one chunk");
  }
};

}  // namespace frontier

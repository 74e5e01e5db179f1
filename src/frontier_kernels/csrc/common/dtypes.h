// From tensors to typed memory.

#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Exception.h>
#include <torch/headeronly/util/Half.h>

#include <optional>
#include <type_traits>

namespace frontier {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;

// What sums are kept in: double for double, otherwise float.
template <typename T>
using acc_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

// The tensor with its elements in order; asks torch only if they are not, which costs as much as a token.
inline torch::stable::Tensor as_contiguous(const torch::stable::Tensor& tensor) {
  return tensor.is_contiguous() ? tensor : torch::stable::contiguous(tensor);
}

inline std::optional<torch::stable::Tensor> as_contiguous(
    const std::optional<torch::stable::Tensor>& tensor) {
  return tensor ? std::optional(as_contiguous(*tensor)) : std::nullopt;
}

// The scalar type of sums over a tensor's elements.
inline torch::headeronly::ScalarType acc_type(const torch::stable::Tensor& tensor) {
  using torch::headeronly::ScalarType;
  return tensor.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

// Where an optional tensor's elements lie; null if there is none.
template <typename T>
const T* data_if(const std::optional<torch::stable::Tensor>& tensor) {
  return tensor ? tensor->const_data_ptr<T>() : nullptr;
}

// Calls a generic lambda with a zero of the tensor's element type.
template <typename F>
void dispatch_floating(const torch::stable::Tensor& tensor, const char* name, const F& f) {
  using torch::headeronly::ScalarType;
  switch (tensor.scalar_type()) {
    case ScalarType::Float:
      return f(float{});
    case ScalarType::Double:
      return f(double{});
    case ScalarType::BFloat16:
      return f(BFloat16{});
    case ScalarType::Half:
      return f(Half{});
    default:
      STD_TORCH_CHECK(false, name, ": the element type must be float32, float64, bfloat16 or float16");
  }
}

}  // namespace frontier

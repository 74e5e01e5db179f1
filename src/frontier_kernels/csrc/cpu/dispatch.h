// Calls a generic lambda with a zero of the tensor's element type.

#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Exception.h>

#include <type_traits>

namespace frontier {

using torch::headeronly::BFloat16;

// What sums are kept in: float for bfloat16, otherwise the type itself.
template <typename T>
using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <typename F>
void for_real(const torch::stable::Tensor& tensor, const char* name, const F& f) {
  using torch::headeronly::ScalarType;
  switch (tensor.scalar_type()) {
    case ScalarType::Float:
      return f(float{});
    case ScalarType::Double:
      return f(double{});
    case ScalarType::BFloat16:
      return f(BFloat16{});
    default:
      STD_TORCH_CHECK(false, name, ": the element type must be float32, float64 or bfloat16");
  }
}

}  // namespace frontier

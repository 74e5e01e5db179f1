// The activations of an expert: exact GELU (Hendrycks and Gimpel, 2016), SiLU, and SwiGLU (Shazeer, 2020).

#pragma once

#include <torch/headeronly/util/Exception.h>

#include <string>

namespace frontier {

enum class Activation { gelu, silu, swiglu };

inline Activation activation_from(const std::string& name) {
  if (name == "gelu") return Activation::gelu;
  if (name == "silu") return Activation::silu;
  STD_TORCH_CHECK(name == "swiglu", "activation: got '", name, "', wanted 'gelu', 'silu' or 'swiglu'");
  return Activation::swiglu;
}

}  // namespace frontier

// The activations of an expert, one row each: its name, and whether it is gated. A gated one takes twice as
// many pre-activations as it gives activations, the gate's rows first, then those of the up-projection.
//
// Everything that depends on which activation it is follows from this table, from the formulas in
// activation_formulas.inc.h, where a row without a formula does not compile, and from the table of Python in
// activations.py, which a test compares with what activation_names() says.

#pragma once

#include <torch/headeronly/util/Exception.h>

#include <cstddef>
#include <iterator>
#include <string>

#define FRONTIER_ACTIVATIONS(ROW) \
  ROW(gelu, false)                \
  ROW(gelu_tanh, false)           \
  ROW(silu, false)                \
  ROW(relu2, false)               \
  ROW(swiglu, true)               \
  ROW(swiglu_oai, true)           \
  ROW(geglu_tanh, true)

namespace frontier {

#define FRONTIER_ROW(name, gated) name,
enum class Activation { FRONTIER_ACTIVATIONS(FRONTIER_ROW) };
#undef FRONTIER_ROW

struct ActivationRow {
  const char* name;
  bool gated;
};

#define FRONTIER_ROW(name, gated) {#name, gated},
inline constexpr ActivationRow kActivations[] = {FRONTIER_ACTIVATIONS(FRONTIER_ROW)};
#undef FRONTIER_ROW

// Whether pre-activations are a gate and an up-projection.
constexpr bool is_gated(Activation activation) { return kActivations[static_cast<size_t>(activation)].gated; }

// The same of a constant: device code may read it, and may not call a function of the host.
template <Activation K>
inline constexpr bool kIsGated = is_gated(K);

// "'gelu', 'silu' or 'swiglu'", as an error lists them.
inline std::string activation_names() {
  std::string names;
  for (size_t i = 0; i < std::size(kActivations); ++i) {
    if (i > 0) names += i + 1 == std::size(kActivations) ? " or " : ", ";
    names += "'" + std::string(kActivations[i].name) + "'";
  }
  return names;
}

inline Activation activation_from(const std::string& name) {
  for (size_t i = 0; i < std::size(kActivations); ++i)
    if (name == kActivations[i].name) return static_cast<Activation>(i);
  STD_TORCH_CHECK(false, "activation: got '", name, "', wanted ", activation_names());
}

}  // namespace frontier

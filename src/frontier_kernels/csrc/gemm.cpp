// The instruction sets that the products are compiled for, and the choice among them at run time.

#include "cpu/gemm.h"

#include <torch/headeronly/util/Exception.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#define TARGET
#if defined(__GNUC__)
#define VECTOR_BYTES 16
#else
#define VECTOR_BYTES sizeof(REAL)
#endif
#define LANES int(VECTOR_BYTES / sizeof(REAL))
#define ROWS 4

#define REAL float
namespace frontier::float_plain {
namespace {
#include "cpu/kernels.h"
}
}  // namespace frontier::float_plain
#undef REAL

#define REAL double
namespace frontier::double_plain {
namespace {
#include "cpu/kernels.h"
}
}  // namespace frontier::double_plain
#undef REAL

#undef TARGET
#undef VECTOR_BYTES
#undef ROWS

#if defined(__GNUC__) && defined(__x86_64__)
#define X86

#define REAL float
#define TARGET __attribute__((target("avx2,fma")))
#define VECTOR_BYTES 32
#define ROWS 6
namespace frontier::float_avx2 {
namespace {
#include "cpu/kernels.h"
}
}  // namespace frontier::float_avx2
#undef TARGET
#undef VECTOR_BYTES
#undef ROWS

#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")))
#define VECTOR_BYTES 64
#define ROWS 14
namespace frontier::float_avx512 {
namespace {
#include "cpu/kernels.h"
}
}  // namespace frontier::float_avx512
#undef TARGET
#undef VECTOR_BYTES
#undef ROWS
#undef REAL
#endif

namespace frontier {
namespace {

#define TABLE(space, name) \
  {name, space::multiply, space::triangle, space::exponentials, space::activate, space::activate_backward}

const Kernels<float>& choose() {
  static constexpr Kernels<float> scalar = TABLE(float_plain, "scalar");
  const char* variable = std::getenv("FRONTIER_KERNELS_ISA");
  const std::string wanted = variable ? variable : "";
  if (wanted == "scalar") return scalar;
#if defined(X86)
  static constexpr Kernels<float> avx2 = TABLE(float_avx2, "avx2"), avx512 = TABLE(float_avx512, "avx512");
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq");
  if (has_avx512 && (wanted.empty() || wanted == "avx512")) return avx512;
  if (has_avx2 && (wanted.empty() || wanted == "avx2")) return avx2;
#endif
  STD_TORCH_CHECK(wanted.empty(), "FRONTIER_KERNELS_ISA: got '", wanted,
                  "', wanted 'scalar', 'avx2' or 'avx512', and a processor that has it");
  return scalar;
}

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
  static const Kernels<float>& chosen = choose();
  return chosen;
}

template <>
const Kernels<double>& kernels<double>() {
  static constexpr Kernels<double> chosen = TABLE(double_plain, "scalar");
  return chosen;
}

}  // namespace frontier

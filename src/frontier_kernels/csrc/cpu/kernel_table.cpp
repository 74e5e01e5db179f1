// The choice among the instruction sets at run time.

#include "kernel_table.h"

#include <torch/headeronly/util/Exception.h>

#include <cstdlib>
#include <string>

#include "kernels.h"

namespace frontier {
namespace {

const KernelTable<float>& choose() {
  const char* variable = std::getenv("FRONTIER_KERNELS_ISA");
  const std::string wanted = variable ? variable : "";
  if (wanted == "scalar") return kScalarFloat;
#if defined(FRONTIER_X86)
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq");
  const bool has_bf16 = has_avx512 && __builtin_cpu_supports("avx512bf16");
  // Intel's vdpbf16ps starts every second cycle, which makes a product of pairs slower than one of floats;
  // AMD's does twice the work of a multiply-add in the same time. The choice must not differ between two runs
  // on one machine, so it is made by name and not by a stopwatch.
  const bool fast_pairs = __builtin_cpu_is("amd");
  if (has_bf16 && (wanted.empty() ? fast_pairs : wanted == "avx512bf16")) return kAvx512Bf16;
  if (has_avx512 && (wanted.empty() || wanted == "avx512")) return kAvx512;
  if (has_avx2 && (wanted.empty() || wanted == "avx2")) return kAvx2;
#endif
  STD_TORCH_CHECK(wanted.empty(), "FRONTIER_KERNELS_ISA: got '", wanted,
                  "', wanted 'scalar', 'avx2', 'avx512' or 'avx512bf16', and a processor that has it");
  return kScalarFloat;
}

}  // namespace

template <>
const KernelTable<float>& kernels<float>() {
  static const KernelTable<float>& chosen = choose();
  return chosen;
}

template <>
const KernelTable<double>& kernels<double>() {
  return kScalarDouble;
}

}  // namespace frontier

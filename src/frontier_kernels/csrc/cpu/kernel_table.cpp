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

#include "cpu/retain.h"

#if defined(__GNUC__) && defined(__x86_64__)
#define X86
#include <immintrin.h>
#endif

#if defined(__GNUC__)
#define INLINE TARGET inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#define PREFETCH(address) __builtin_prefetch(address)
#define FETCH_AHEAD(address) __builtin_prefetch(address, 0, 2)  // into L2
#define VECTOR_BYTES 16
#else
#define INLINE TARGET inline
#define UNROLL
#define PREFETCH(address)
#define FETCH_AHEAD(address)
#define VECTOR_BYTES sizeof(REAL)
#endif
#define TARGET
#define LANES int(VECTOR_BYTES / sizeof(REAL))
#define ROWS 4

#define REAL float
namespace frontier::float_plain {
namespace {
#include "cpu/kernels.h"
#include "cpu/retention_chunks.h"
}  // namespace
}  // namespace frontier::float_plain
#undef REAL

#define REAL double
namespace frontier::double_plain {
namespace {
#include "cpu/kernels.h"
#include "cpu/retention_chunks.h"
}  // namespace
}  // namespace frontier::double_plain
#undef REAL

#undef TARGET
#undef VECTOR_BYTES
#undef ROWS

#if defined(X86)
#define REAL float
#define TARGET __attribute__((target("avx2,fma,f16c")))
#define VECTOR_BYTES 32
#define ROWS 6
#define WIDEN_HALF(from) (V) _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))
#define NARROW_HALF(to, v) \
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph((__m256)(v), _MM_FROUND_TO_NEAREST_INT))
#define EXTEND(from) (Words) _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))
namespace frontier::float_avx2 {
namespace {
#include "cpu/kernels.h"
#include "cpu/retention_chunks.h"
}  // namespace
}  // namespace frontier::float_avx2
#undef TARGET
#undef VECTOR_BYTES
#undef ROWS
#undef WIDEN_HALF
#undef NARROW_HALF
#undef EXTEND

#define AVX512 "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,f16c"
#define TARGET __attribute__((target(AVX512)))
#define VECTOR_BYTES 64
#define ROWS 14
// The masked forms: GCC 12 warns of the plain ones, whose headers pass on something uninitialised.
#define WIDEN_HALF(from) \
  (V) _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))
#define NARROW_HALF(to, v)                            \
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), \
                      _mm512_maskz_cvtps_ph(0xffff, (__m512)(v), _MM_FROUND_TO_NEAREST_INT))
// What GCC 12 makes of its own vector conversions takes four instructions instead of one.
#define EXTEND(from) \
  (Words) _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))
#define SHORTEN(to, words) \
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)(words)))
namespace frontier::float_avx512 {
namespace {
#include "cpu/kernels.h"
#include "cpu/retention_chunks.h"
#undef TARGET
#define TARGET __attribute__((target(AVX512 ",avx512bf16")))
#include "cpu/pairs.h"
}  // namespace
}  // namespace frontier::float_avx512
#undef TARGET
#undef VECTOR_BYTES
#undef ROWS
#undef WIDEN_HALF
#undef NARROW_HALF
#undef EXTEND
#undef SHORTEN
#undef REAL
#endif

namespace frontier {
namespace {

// What one instruction set has, of either kind.
template <typename S>
struct Tables {
  Kernels<S> kernels;
  Retain<S> retain;
};

#define TABLE(space, name, pairs, multiply, packed_size, pack)          \
  {                                                                     \
    {name,                                                              \
     pairs,                                                             \
     space::multiply,                                                   \
     space::packed_size,                                                \
     space::pack,                                                       \
     space::exponentials,                                               \
     space::activate,                                                   \
     space::activate_backward,                                          \
     space::widen,                                                      \
     space::narrow},                                                    \
    {                                                                   \
      space::retain_forward, space::retain_backward, space::retain_step \
    }                                                                   \
  }

const Tables<float>& choose() {
  static constexpr Tables<float> scalar = TABLE(float_plain, "scalar", false, multiply, packed_size, pack);
  const char* variable = std::getenv("FRONTIER_KERNELS_ISA");
  const std::string wanted = variable ? variable : "";
  if (wanted == "scalar") return scalar;
#if defined(X86)
  static constexpr Tables<float> avx2 = TABLE(float_avx2, "avx2", false, multiply, packed_size, pack);
  static constexpr Tables<float> avx512 = TABLE(float_avx512, "avx512", false, multiply, packed_size, pack);
  static constexpr Tables<float> avx512bf16 =
      TABLE(float_avx512, "avx512bf16", true, multiply_pairs, packed_size_pairs, pack_as_pairs);
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
  if (has_bf16 && (wanted.empty() ? fast_pairs : wanted == "avx512bf16")) return avx512bf16;
  if (has_avx512 && (wanted.empty() || wanted == "avx512")) return avx512;
  if (has_avx2 && (wanted.empty() || wanted == "avx2")) return avx2;
#endif
  STD_TORCH_CHECK(wanted.empty(), "FRONTIER_KERNELS_ISA: got '", wanted,
                  "', wanted 'scalar', 'avx2', 'avx512' or 'avx512bf16', and a processor that has it");
  return scalar;
}

const Tables<float>& chosen() {
  static const Tables<float>& tables = choose();
  return tables;
}

constexpr Tables<double> FOR_DOUBLE = TABLE(double_plain, "scalar", false, multiply, packed_size, pack);

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
  return chosen().kernels;
}

template <>
const Kernels<double>& kernels<double>() {
  return FOR_DOUBLE.kernels;
}

template <>
const Retain<float>& retain<float>() {
  return chosen().retain;
}

template <>
const Retain<double>& retain<double>() {
  return FOR_DOUBLE.retain;
}

}  // namespace frontier

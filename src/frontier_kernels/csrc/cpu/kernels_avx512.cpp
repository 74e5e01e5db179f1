// The kernels for AVX-512: vectors of 16 floats, tiles of 14 x 32. On top of them the products of bfloat16
// for AVX-512-BF16, which share packing, blocks and everything else.

#include "kernels.h"

#if defined(FRONTIER_X86)

#define REAL float
#define LANES 16
#define ROWS 14
#define AVX512_TARGET "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,f16c"
#define TARGET __attribute__((target(AVX512_TARGET)))
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

namespace frontier::avx512 {
namespace {
#include "kernels.inc.h"
#undef TARGET
#define TARGET __attribute__((target(AVX512_TARGET ",avx512bf16")))
#include "bf16_pairs.inc.h"
}  // namespace
}  // namespace frontier::avx512

namespace frontier {

constinit const KernelTable<float> kAvx512 = avx512::kernel_table("avx512");
constinit const KernelTable<float> kAvx512Bf16 = avx512::kernel_table_with_pairs("avx512bf16");

}  // namespace frontier

#endif

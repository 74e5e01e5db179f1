// The kernels for AVX2 with FMA and F16C: vectors of 8 floats, tiles of 6 x 16.

#include "kernels.h"

#if defined(FRONTIER_X86)

#define REAL float
#define LANES 8
#define ROWS 6
#define TARGET __attribute__((target("avx2,fma,f16c")))
#define WIDEN_HALF(from) (V) _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))
#define NARROW_HALF(to, v) \
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph((__m256)(v), _MM_FROUND_TO_NEAREST_INT))
#define EXTEND(from) (Words) _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))

namespace frontier::avx2 {
namespace {
#include "kernels.inc.h"
}  // namespace
}  // namespace frontier::avx2

namespace frontier {

constinit const KernelTable<float> kAvx2 = avx2::kernel_table("avx2");

}  // namespace frontier

#endif

// Every kernel of one instruction set and one element type. Each kernels_<instruction set>.cpp includes this
// file for each element type, in a namespace of its own, after kernels.h and with these defined:
//
//   REAL          the element type that sums are kept in: float or double
//   LANES         elements of a vector, a power of two up to 16; one where the compiler knows no vectors
//   ROWS          height of a tile in registers, up to 16: ROWS x 2 vectors of sums and 3 more have to fit
//   TARGET        function attribute that selects the instruction set; empty for the compiler's default
//   WIDEN_HALF(from), NARROW_HALF(to, v)   optional: a vector of float16 loaded, stored by instructions
//   EXTEND(from), SHORTEN(to, words)       optional: 16-bit words loaded to 32 bits, stored from them
//
// Nothing here is a lambda: it would not inherit TARGET. The pattern is that of Highway's foreach_target.h.

#if !defined(REAL) || !defined(LANES) || !defined(ROWS) || !defined(TARGET)
#error "kernels.inc.h: REAL, LANES, ROWS and TARGET have to be defined; see its first lines"
#endif
#if !defined(INLINE) || !defined(UNROLL) || !defined(PREFETCH) || !defined(FETCH_AHEAD)
#error "kernels.inc.h: kernels.h has to be included first"
#endif

static_assert(LANES >= 1 && LANES <= 16 && (LANES & (LANES - 1)) == 0,
              "LANES: transpose, fold and sum_lanes halve a vector until one lane is left, from 16 at most");
static_assert(ROWS >= 1 && ROWS <= 16, "ROWS: UNROLL keeps the sums of 16 rows in registers, not more");

#include "vectors.inc.h"
//
#include "gemm.inc.h"
//
#include "activations.inc.h"
//
#include "retention_chunks.inc.h"

// The kernels above, as the library calls them.
constexpr KernelTable<REAL> kernel_table(const char* name) {
  return {
      .name = name,
      .pairs = false,
      .multiply = multiply,
      .packed_size = packed_size,
      .pack = pack,
      .exponentials = exponentials,
      .activate = activate,
      .activate_backward = activate_backward,
      .widen = widen,
      .narrow = narrow,
      .retention_forward = retain_forward,
      .retention_backward = retain_backward,
      .retention_step = retain_step,
  };
}

// The kernels in portable C++, for float and for double: vectors of 16 bytes, which every 64-bit processor
// has, where the compiler knows vectors, else plain elements.

#include "kernels.h"

#if defined(__GNUC__)
#define VECTOR_BYTES 16
#else
#define VECTOR_BYTES sizeof(REAL)
#endif
#define LANES int(VECTOR_BYTES / sizeof(REAL))
#define ROWS 4
#define TARGET

#define REAL float
namespace frontier::scalar_float {
namespace {
#include "kernels.inc.h"
}  // namespace
}  // namespace frontier::scalar_float
#undef REAL

#define REAL double
namespace frontier::scalar_double {
namespace {
#include "kernels.inc.h"
}  // namespace
}  // namespace frontier::scalar_double
#undef REAL

namespace frontier {

constinit const KernelTable<float> kScalarFloat = scalar_float::kernel_table("scalar");
constinit const KernelTable<double> kScalarDouble = scalar_double::kernel_table("scalar");

}  // namespace frontier

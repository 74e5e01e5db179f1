// The expert network's products for double: grouped_gemm.h says how. A file for each type, compiled side by
// side.

#include "grouped_gemm.h"

namespace frontier::cuda {

template struct Products<double>;

}  // namespace frontier::cuda

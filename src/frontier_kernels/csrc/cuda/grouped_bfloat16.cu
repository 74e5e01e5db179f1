// The expert network's products for bfloat16: grouped_gemm.h says how. A file for each type, compiled side by
// side.

#include "grouped_gemm.h"

namespace frontier::cuda {

template struct Products<BFloat16>;

}  // namespace frontier::cuda

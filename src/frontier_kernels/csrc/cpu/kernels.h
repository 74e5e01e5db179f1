// What every kernels_<instruction set>.cpp includes before it compiles kernels.inc.h: the standard library,
// which may not be included inside a namespace, words for what compilers spell differently, and the tables.
//
// Only functions marked TARGET are compiled for an instruction set: flags for a whole file would reach inline
// functions of the standard library too, and the linker keeps one copy of those, for all processors.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "common/constants.h"
#include "kernel_table.h"
#include "retention_head.h"

#if defined(__GNUC__) && defined(__x86_64__)
#define FRONTIER_X86
#include <immintrin.h>
#endif

#if defined(__GNUC__)
#define INLINE TARGET inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#define PREFETCH(address) __builtin_prefetch(address)
#define FETCH_AHEAD(address) __builtin_prefetch(address, 0, 2)  // into L2
#else
#define INLINE TARGET inline
#define UNROLL
#define PREFETCH(address)
#define FETCH_AHEAD(address)
#endif

namespace frontier {

extern const KernelTable<float> kScalarFloat;
extern const KernelTable<double> kScalarDouble;
#if defined(FRONTIER_X86)
extern const KernelTable<float> kAvx2;
extern const KernelTable<float> kAvx512;
extern const KernelTable<float> kAvx512Bf16;
#endif

}  // namespace frontier

// What the expert network asks of a processor: dense products and activations, as a table of functions.
//
// gemm.cpp compiles kernels.h once for each instruction set and picks a table at run time, so the library
// itself asks for no more than the compiler's default and loads anywhere. Sums run over k in an order that
// depends on the sizes alone, so a result does not depend on the number of threads.

#pragma once

#include <cstdint>
#include <memory>

#include "activation.h"

namespace frontier {

// One factor of a product, read while it is packed. In memory it is rows of `stride` elements, of the sum's
// type or of bfloat16, taken in the order of `slots` where there is one: row r is slots[r] / top_k.
struct Factor {
  const void* data;
  int64_t stride;
  bool bfloat16;
  bool along_k;  // a row in memory runs along k (A as it stands, B transposed), else across it
  const int64_t* slots = nullptr;
  int64_t top_k = 1;

  template <typename T>
  const T* row(int64_t r) const {
    return static_cast<const T*>(data) + (slots ? slots[r] / top_k : r) * stride;
  }
};

template <typename S>
struct Kernels {
  const char* name;
  // C[m, n] = A[m, k] B[k, n], on top of what C holds if `add`; C is contiguous.
  void (*multiply)(const Factor& a, const Factor& b, S* c, int64_t m, int64_t n, int64_t k, bool add);
  // C[i, :] += sum over j <= i of A[i, j] B[j, :], or with `transposed` over j >= i of A[j, i] B[j, :]; A has
  // n rows of `stride` elements, B and C are contiguous [n, m]. What lies above A's diagonal is not read.
  void (*triangle)(const S* a, int64_t stride, const S* b, S* c, int64_t n, int64_t m, bool transposed);
  // y[i] = exp(x[i]) for x[i] <= 0; y may be x.
  void (*exponentials)(const S* x, S* y, int64_t count);
  // a[h] = act(pre); for SwiGLU pre holds the gate's H values and then the up-projection's.
  void (*activate)(Activation kind, const S* pre, S* a, int64_t hidden);
  // From u = dy W_out of one row of weight w: a = w act(pre), dpre, and <u, act(pre)>, which is returned.
  S (*activate_backward)(Activation kind, const S* pre, const S* u, S w, S* a, S* dpre, int64_t hidden);
};

// The table of this machine, chosen once; FRONTIER_KERNELS_ISA=scalar, avx2 or avx512 asks for another.
template <typename S>
const Kernels<S>& kernels();

template <typename T, typename S>
void convert(const T* a, S* b, int64_t count) {
  for (int64_t i = 0; i < count; ++i) b[i] = static_cast<S>(a[i]);
}

// Memory that only grows and starts uninitialised.
template <typename S>
class Scratch {
 public:
  S* get(int64_t count) {
    if (count > size_) memory_ = std::make_unique_for_overwrite<S[]>(size_ = count);
    return memory_.get();
  }

 private:
  std::unique_ptr<S[]> memory_;
  int64_t size_ = 0;
};

}  // namespace frontier

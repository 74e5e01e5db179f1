// What the operators ask of a processor: dense products, activations and retention, as a table of functions.
//
// kernels.inc.h is compiled once for each instruction set and kernel_table.cpp picks a table at run time, so
// the library itself asks for no more than the compiler's default and loads anywhere. Sums run over k in an
// order that depends on the sizes alone, so a result does not depend on the number of threads.

#pragma once

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "common/activations.h"

namespace frontier {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;

// What lies in memory: elements of the sum's own type, or half as wide as a float.
enum class Element { real, bfloat16, float16 };

template <typename T>
constexpr Element kElement = std::is_same_v<T, BFloat16> ? Element::bfloat16
                             : std::is_same_v<T, Half>   ? Element::float16
                                                         : Element::real;

template <typename S>
class Scratch;
template <typename S>
struct Sequence;
template <typename S>
struct Gradients;

// A product with no more rows of A reads B as it lies, where B is not packed for it; with more it packs B.
inline constexpr int64_t kDotRows = 4;

// Rows of A that share one packing of B, or one reading of B's panels.
inline constexpr int64_t kBlockRows = 448;
static_assert(kDotRows >= 1 && kBlockRows >= 4, "moe.cpp cuts an expert's rows into quarters of a block");

// One factor of a product, read while it is packed. In memory it is rows of `stride` elements, taken in the
// order of `slots` where there is one: row r is slots[r] / top_k. The right factor may come with the panels
// that `pack` made of it: products of many rows read those.
struct Factor {
  const void* data;
  int64_t stride;
  Element element;
  bool along_k;  // a row in memory runs along k (A as it stands, B transposed), else across it
  const int64_t* slots = nullptr;
  int64_t top_k = 1;
  const void* panels = nullptr;

  // Elements before row r.
  int64_t place(int64_t r) const { return (slots ? slots[r] / top_k : r) * stride; }

  template <typename T>
  const T* row(int64_t r) const {
    return static_cast<const T*>(data) + place(r);
  }
};

template <typename S>
struct KernelTable {
  const char* name;
  // Whether a product of two bfloat16 factors runs on instructions of its own, faster than on floats.
  bool pairs;
  // C[m, n] = A[m, k] B[k, n], on top of what C holds if `add`; C is contiguous.
  void (*multiply)(const Factor& a, const Factor& b, S* c, int64_t m, int64_t n, int64_t k, bool add);
  // The panels of B[k, n], as the product with a left factor of B's element type reads them: how many
  // elements they are, and they themselves, which every block of rows may then share.
  int64_t (*packed_size)(Element element, int64_t n, int64_t k);
  void (*pack)(const Factor& b, int64_t n, int64_t k, S* to);
  // y[i] = exp(x[i]) for x[i] <= 0; y may be x.
  void (*exponentials)(const S* x, S* y, int64_t count);
  // a[h] = act(pre); for SwiGLU pre holds the gate's H values and then the up-projection's.
  void (*activate)(Activation kind, const S* pre, S* a, int64_t hidden);
  // From u = dy W_out of one row of weight w: a = w act(pre), dpre, and <u, act(pre)>, which is returned.
  S (*activate_backward)(Activation kind, const S* pre, const S* u, S w, S* a, S* dpre, int64_t hidden);
  // Between sums and 16-bit floats in memory; see convert.
  void (*widen)(Element element, const void* from, S* to, int64_t count);
  void (*narrow)(Element element, const S* from, void* to, int64_t count);
  // Retention of one head of one sequence; see retention_head.h. o [T, V] with the strides of v, and the last
  // state [K, V]; `initial` may be null, and be the last state.
  void (*retention_forward)(const Sequence<S>&, const S* initial, void* o, S* state, Scratch<S>& memory);
  void (*retention_backward)(const Sequence<S>&, const S* initial, const Gradients<S>&, Scratch<S>& memory);
  // One step of decoding: state [K, V] in place, o [V] = scale q state; `expm1_decay` is the decay less one.
  void (*retention_step)(const S* q, const S* k, const S* v, S* state, S* o, S expm1_decay, S scale,
                         int64_t key, int64_t value);
};

// The table of this machine, chosen once; FRONTIER_KERNELS_ISA=scalar, avx2, avx512 or avx512bf16 asks for
// another.
template <typename S>
const KernelTable<S>& kernels();

// Copies elements into sums or sums into elements, rounded to nearest even.
template <typename T, typename S>
void convert(const T* from, S* to, int64_t count) {
  if constexpr (std::is_same_v<T, S>)
    std::copy_n(from, count, to);
  else if constexpr (kElement<S> == Element::real)
    kernels<S>().widen(kElement<T>, from, to, count);
  else
    kernels<T>().narrow(kElement<S>, from, to, count);
}

// Memory that starts uninitialised and grows, until it is told to shrink.
template <typename S>
class Scratch {
 public:
  // Gives memory back if it is more than this; what is kept spares the next call its page faults.
  void shrink(int64_t count) {
    if (size_ > count) memory_.reset(), size_ = 0;
  }

  S* get(int64_t count) {
    if (count > size_) memory_ = std::make_unique_for_overwrite<S[]>(size_ = count);
    return memory_.get();
  }

 private:
  std::unique_ptr<S[]> memory_;
  int64_t size_ = 0;
};

// Pieces of one allocation, each on a cache line of its own. Without memory it only counts what they take.
template <typename S>
class Arena {
 public:
  explicit Arena(S* memory = nullptr) {
    if (memory) next_ = memory + (64 - reinterpret_cast<uintptr_t>(memory) % 64) % 64 / sizeof(S);
  }

  S* take(int64_t count) {
    S* piece = next_;
    const int64_t rounded = (count + kLine - 1) / kLine * kLine;
    if (next_) next_ += rounded;
    taken_ += rounded;
    return piece;
  }

  double* take_doubles(int64_t count) {
    return reinterpret_cast<double*>(take(count * static_cast<int64_t>(sizeof(double) / sizeof(S))));
  }

  // Elements of an allocation for all that was taken.
  int64_t size() const { return taken_ + kLine; }

 private:
  static constexpr int64_t kLine = 64 / sizeof(S);
  S* next_ = nullptr;
  int64_t taken_ = 0;
};

// A workspace, whose constructor takes its pieces from an arena: once to count them, once to place them. So
// there is one list of pieces, and no sum of sizes that could differ from it.
template <typename Workspace, typename S, typename... Sizes>
Workspace workspace(Scratch<S>& memory, const Sizes&... sizes) {
  Arena<S> counted;
  Workspace(counted, sizes...);
  Arena<S> placed(memory.get(counted.size()));
  return Workspace(placed, sizes...);
}

}  // namespace frontier

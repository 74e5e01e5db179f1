// How fast the products of kernel_table.h can go: the yardstick of `make bench`, and of nothing else.
//
// Every thread multiplies square matrices of its own, C = A B, small enough to stay in its caches, so what is
// measured is packing and the micro-kernel on the path that every other operator takes, without gathers,
// activations or memory. A round counts 2 n^3 FLOP for each thread and lasts until the last of them is done;
// the best round is reported, with B as it lies in torch.mm or as nn.Linear keeps it, whichever is faster.

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/headeronly/util/Exception.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/dtypes.h"
#include "kernel_table.h"

namespace frontier {
namespace {

template <typename T>
double peak(int64_t size, int64_t rounds) {
  using S = acc_t<T>;
  using clock = std::chrono::steady_clock;
  struct Matrices {
    std::vector<T> a, b;
    std::vector<S> c;
  };
  const int64_t threads = torch::stable::get_num_threads(), count = size * size;
  std::vector<Matrices> own(threads);
  for (auto& matrices : own) {
    matrices.c.resize(count);
    for (auto* factor : {&matrices.a, &matrices.b}) {
      factor->resize(count);
      for (int64_t i = 0; i < count; ++i) (*factor)[i] = static_cast<T>(static_cast<float>(i % 7 - 3));
    }
  }
  double best = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    for (const bool along_k : {false, true}) {
      const auto start = clock::now();
      torch::stable::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const Factor a{own[i].a.data(), size, kElement<T>, true};
          const Factor b{own[i].b.data(), size, kElement<T>, along_k};
          kernels<S>().multiply(a, b, own[i].c.data(), size, size, size, false);
        }
      });
      const std::chrono::duration<double> taken = clock::now() - start;
      const double done =
          2.0 * static_cast<double>(threads) * static_cast<double>(count) * static_cast<double>(size);
      best = std::max(best, done / taken.count());
    }
  }
  return best;
}

double gemm_peak(std::string dtype, int64_t size, int64_t rounds) {
  STD_TORCH_CHECK(size >= 1 && size <= 4096, "size: got ", size, ", wanted 1 to 4096");
  STD_TORCH_CHECK(rounds >= 1, "rounds: got ", rounds, ", wanted 1 or more");
  if (dtype == "float32") return peak<float>(size, rounds);
  if (dtype == "float64") return peak<double>(size, rounds);
  if (dtype == "bfloat16") return peak<BFloat16>(size, rounds);
  if (dtype == "float16") return peak<Half>(size, rounds);
  STD_TORCH_CHECK(false, "dtype: got '", dtype, "', wanted float32, float64, bfloat16 or float16");
}

}  // namespace
}  // namespace frontier

STABLE_TORCH_LIBRARY_IMPL(frontier_kernels, CompositeExplicitAutograd, m) {
  m.impl("gemm_peak", TORCH_BOX(&frontier::gemm_peak));
}

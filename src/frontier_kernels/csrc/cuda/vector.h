// Numbers that a thread moves at once, up to 16 bytes where they are aligned, and sums over a block.

#pragma once

#include "common/dtypes.h"
#include "device.h"

namespace frontier::cuda {

template <typename T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Vector {
  T at[N];
};

// Whether rows of `width` elements from `data` on can be read N at a time.
template <int N, typename T>
bool can_vectorise(const T* data, int64_t width) {
  return width % N == 0 && reinterpret_cast<uintptr_t>(data) % alignof(Vector<T, N>) == 0;
}

// Reads N neighbouring elements: at once if `whole`, otherwise those below `valid`, and zero for the rest.
template <int N, typename T, typename S>
__device__ __forceinline__ void load(const T* from, int64_t valid, bool whole, S (&to)[N]) {
  if (whole && valid >= N) {
    const Vector<T, N> read = *reinterpret_cast<const Vector<T, N>*>(from);
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = static_cast<S>(read.at[i]);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = i < valid ? static_cast<S>(from[i]) : S(0);
  }
}

// Writes N neighbouring elements: at once if `whole`, otherwise those below `valid`.
template <int N, typename T, typename S>
__device__ __forceinline__ void store(T* to, int64_t valid, bool whole, const S (&from)[N]) {
  if (whole && valid >= N) {
    Vector<T, N> written;
#pragma unroll
    for (int i = 0; i < N; ++i) written.at[i] = static_cast<T>(from[i]);
    *reinterpret_cast<Vector<T, N>*>(to) = written;
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (i < valid) to[i] = static_cast<T>(from[i]);
  }
}

// Sum of the values of the threads before this one, and of all; `shared` holds 32 elements.
__device__ __forceinline__ int64_t block_exclusive_sum(int64_t value, int64_t* shared, int64_t& total) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  int64_t sum = value;
#pragma unroll
  for (int offset = 1; offset < 32; offset *= 2) {
    const int64_t before = __shfl_up_sync(kWholeWarp, sum, offset);
    if (lane >= offset) sum += before;
  }
  __syncthreads();
  if (lane == 31) shared[warp] = sum;
  __syncthreads();
  int64_t before = 0;
  total = 0;
  for (int w = 0; w < warps; ++w) {
    if (w < warp) before += shared[w];
    total += shared[w];
  }
  return before + sum - value;
}

inline unsigned blocks(int64_t work, int64_t per_block) {
  const int64_t count = (work + per_block - 1) / per_block;
  STD_TORCH_CHECK(count <= 0x7fffffff, "a grid of ", count, " blocks is more than CUDA takes");
  return static_cast<unsigned>(count);
}

}  // namespace frontier::cuda

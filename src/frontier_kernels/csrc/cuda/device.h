// What every kernel file asks of CUDA: launching on torch's stream, facts about the device, and the few
// instructions that C++ has no word for (tensor-core products, matrix loads from shared memory, asynchronous
// copies, warp reductions), each a function with the fragment layout of the PTX manual.
//
// sm_75 has no m16n8k16 product, no bfloat16 product and no asynchronous copy: the first is two m16n8k8
// there, the last a plain copy, and bfloat16 has to go another way, which the host chooses by `tensor_cores`.
//
// Kernel files include this header alone and use no <<<>>>. Compiled with FRONTIER_EMULATED by a plain C++
// compiler they run on the CPU: tests/kernels/cuda_emulator/emulator.h then provides CUDA's words, and the
// same functions as this header, under the same names.

#pragma once

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Exception.h>
#include <torch/headeronly/util/Half.h>

#include <cstdint>
#include <type_traits>

namespace frontier::cuda {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;

// What a kernel's shape depends on; asking for it does not wait for the device.
struct Properties {
  int capability;        // 75, 80, 86, 89, 90 …
  int multiprocessors;   // SMs
  int shared_per_block;  // bytes of shared memory that one block may opt in to
};

// Whether products of two T run on this device's tensor cores.
template <typename T>
bool tensor_cores(const Properties& device) {
  if constexpr (std::is_same_v<T, Half>) return device.capability >= 75;
  if constexpr (std::is_same_v<T, BFloat16>) return device.capability >= 80;
  return false;
}

constexpr unsigned kWholeWarp = 0xffffffffu;

}  // namespace frontier::cuda

#ifdef FRONTIER_EMULATED
#include "emulator.h"
#else

#include <cuda_runtime.h>

#include <array>
#include <atomic>
#include <tuple>

// Registers implementations: FRONTIER_CUDA_LIBRARY(m) { m.impl("name", TORCH_BOX(&function)); }
#define FRONTIER_CUDA_LIBRARY(m) STABLE_TORCH_LIBRARY_IMPL(frontier_kernels, CUDA, m)

namespace frontier::cuda {

// Makes the tensor's device the current one while it lives.
class DeviceGuard {
 public:
  explicit DeviceGuard(const torch::stable::Tensor& tensor) : guard_(tensor.get_device_index()) {}

 private:
  torch::stable::accelerator::DeviceGuard guard_;
};

// The stream that torch runs this tensor's operators on.
inline cudaStream_t current_stream(const torch::stable::Tensor& tensor) {
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream));
  return static_cast<cudaStream_t>(stream);
}

inline void check(cudaError_t error, const char* what) {
  STD_TORCH_CHECK(error == cudaSuccess, what, ": ", cudaGetErrorString(error));
}

inline Properties properties(const torch::stable::Tensor& tensor) {
  constexpr int kDevices = 64;
  static std::array<std::atomic<bool>, kDevices> known{};
  static std::array<Properties, kDevices> all{};
  const int index = tensor.get_device_index();
  STD_TORCH_CHECK(index >= 0 && index < kDevices, "device: got index ", index, ", wanted 0 to 63");
  if (!known[index].load(std::memory_order_acquire)) {
    const auto attribute = [index](cudaDeviceAttr which) {
      int value = 0;
      check(cudaDeviceGetAttribute(&value, which, index), "cudaDeviceGetAttribute");
      return value;
    };
    // Two threads may both come here: they write the same numbers.
    all[index] = {
        attribute(cudaDevAttrComputeCapabilityMajor) * 10 + attribute(cudaDevAttrComputeCapabilityMinor),
        attribute(cudaDevAttrMultiProcessorCount), attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin)};
    known[index].store(true, std::memory_order_release);
  }
  return all[index];
}

// Runs kernel(arguments...) on the stream; a grid without blocks is no work, where CUDA calls it an error.
template <typename... P, typename... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
            A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "the kernel takes another number of arguments");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  // Up to 48 KiB come without asking.
  if (shared_bytes > 48 * 1024)
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
          "cudaFuncSetAttribute");
  std::tuple<std::remove_cv_t<P>...> values{static_cast<P>(arguments)...};
  std::apply(
      [&](auto&... value) {
        void* pointers[] = {&value..., nullptr};
        check(cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers, shared_bytes,
                               stream),
              "cudaLaunchKernel");
      },
      values);
}

// The block's dynamic shared memory, aligned to 16 bytes.
template <typename T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ uint4 frontier_dynamic_shared[];
  return reinterpret_cast<T*>(frontier_dynamic_shared);
}

// D += A B on tensor cores by a whole warp: A [16, 16] and B [16, 8] of T, D [16, 8] in float. With g = lane
// / 4 and t = lane % 4, a lane holds A(g, 2t..), A(g + 8, 2t..), A(g, 2t + 8..), A(g + 8, 2t + 8..), two
// elements in a word; B(2t.., g), B(2t + 8.., g); D(g, 2t), D(g, 2t + 1), D(g + 8, 2t), D(g + 8, 2t + 1).
template <typename T>
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  static_assert(std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>);
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (std::is_same_v<T, Half>)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, Half>) {
    // The fragments of m16n8k16 are those of two m16n8k8, one after the other along k.
#pragma unroll
    for (int half = 0; half < 2; ++half)
      asm volatile(
          "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, "
          "%3};"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
          : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
  } else {
    __trap();
  }
#endif
}

// D += A B with A [16, 8] and B [8, 8] in float of which the tensor core reads 10 bits of mantissa (sm_80 and
// newer). A lane holds A(g, t), A(g + 8, t), A(g, t + 4), A(g + 8, t + 4); B(t, g), B(t + 4, g); D as above.
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4],
                                                 const uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif defined(__CUDA_ARCH__)
  __trap();
#endif
}

// Four 8 x 8 matrices of 16-bit elements from shared memory: lane l names row l % 8 of matrix l / 8, 16 bytes
// and aligned to as many; word m of a lane then holds (g, 2t) and (g, 2t + 1) of matrix m.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&words)[4], const void* row) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
}

// As ldmatrix_x4, each matrix transposed: (2t, g) and (2t + 1, g).
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&words)[4], const void* row) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
}

// Copies 4, 8 or 16 bytes, both ends aligned to as many, from global to shared memory, or writes zeros if not
// `valid` (the source is then not read). They arrive by the cp_async_wait that covers their group.
template <int BYTES = 16>
__device__ __forceinline__ void cp_async(void* shared, const void* global, bool valid = true) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16);
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = valid ? BYTES : 0;
  if constexpr (BYTES == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(global), "n"(BYTES),
                 "r"(bytes)
                 : "memory");
#else
  using Word = std::conditional_t<BYTES == 16, uint4, std::conditional_t<BYTES == 8, uint2, uint32_t> >;
  *static_cast<Word*>(shared) = valid ? *static_cast<const Word*>(global) : Word{};
#endif
}

// Closes a group of this thread's copies.
__device__ __forceinline__ void cp_async_commit() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until no more than `PENDING` of this thread's latest groups are under way. Other threads see the
// copies after the next barrier.
template <int PENDING>
__device__ __forceinline__ void cp_async_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
}

}  // namespace frontier::cuda

#endif  // FRONTIER_EMULATED

namespace frontier::cuda {

// Two elements of T in a word, the first in the lower half, each rounded to nearest even.
template <typename T>
__device__ __forceinline__ uint32_t pack(float low, float high) {
  return static_cast<uint32_t>(static_cast<T>(low).x) | static_cast<uint32_t>(static_cast<T>(high).x) << 16;
}

// One of the two elements of T in a word.
template <typename T>
__device__ __forceinline__ float unpack(uint32_t word, int half) {
  return static_cast<float>(T(static_cast<unsigned short>(word >> (16 * half)), T::from_bits()));
}

// Sum over the lanes of aligned groups of WIDTH, the same bits in every lane of the group.
template <int WIDTH = 32, typename S>
__device__ __forceinline__ S warp_sum(S value) {
#pragma unroll
  for (int offset = WIDTH / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(kWholeWarp, value, offset);
  return value;
}

template <int WIDTH = 32, typename S>
__device__ __forceinline__ S warp_max(S value) {
#pragma unroll
  for (int offset = WIDTH / 2; offset > 0; offset /= 2) {
    const S other = __shfl_xor_sync(kWholeWarp, value, offset);
    value = other > value ? other : value;
  }
  return value;
}

}  // namespace frontier::cuda

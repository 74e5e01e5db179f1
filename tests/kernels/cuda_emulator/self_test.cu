// What the emulator promises, as operators that test_cuda_emulator.py calls.

#include <limits>
#include <string>

#include "device.h"

namespace {

using namespace frontier::cuda;
using torch::headeronly::ScalarType;
using torch::stable::new_empty;
using torch::stable::Tensor;

// O [16, 8] = A [16, 16] B [16, 8] by one warp; A and B both come through ldmatrix.
template <typename T>
__global__ void tile(const T* a, const T* b, float* o) {
  T* shared = dynamic_shared<T>();
  T *sa = shared, *sb = shared + 16 * 24;
  const int lane = threadIdx.x;
  cp_async(sa + lane / 2 * 24 + lane % 2 * 8, a + lane * 8);
  if (lane < 16) cp_async(sb + lane * 8, b + lane * 8);
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  uint32_t fa[4], fb[4];
  ldmatrix_x4(fa, sa + lane % 16 * 24 + lane / 16 * 8);
  ldmatrix_x4_trans(fb, sb + lane % 16 * 8);
  const uint32_t first[2] = {fb[0], fb[1]};
  float d[4] = {};
  mma_m16n8k16<T>(d, fa, first);
  for (int i = 0; i < 4; ++i) o[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

__global__ void tile_tf32(const float* a, const float* b, float* o) {
  const int lane = threadIdx.x, g = lane / 4, t = lane % 4;
  uint32_t fa[4], fb[2];
  for (int i = 0; i < 4; ++i) fa[i] = __float_as_uint(a[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
  for (int i = 0; i < 2; ++i) fb[i] = __float_as_uint(b[(t + i * 4) * 8 + g]);
  float d[4] = {};
  mma_m16n8k8_tf32(d, fa, fb);
  for (int i = 0; i < 4; ++i) o[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = d[i];
}

// Sum of a block's numbers, through shuffles, static shared memory and a barrier.
__global__ void block_sum(const float* x, float* o, int count) {
  __shared__ float parts[32];
  const int thread = threadIdx.x;
  const float sum = warp_sum(thread < count ? x[thread] : 0.0f);
  if (thread % 32 == 0) parts[thread / 32] = sum;
  __syncthreads();
  if (thread < 32) {
    const float all = warp_sum(thread * 32 < static_cast<int>(blockDim.x) ? parts[thread] : 0.0f);
    if (thread == 0) o[blockIdx.x] = all;
  }
}

// One mistake of each kind.
enum Mistake {
  kBarriers,
  kMissing,
  kLanes,
  kUnwritten,
  kRace,
  kOutside,
  kUnwaited,
  kMisaligned,
  kVector,
  kTooMuch
};

__global__ void wrong(int mistake, const float* x, float* o) {
  float* shared = dynamic_shared<float>();
  const int thread = threadIdx.x;
  float result = 0;
  switch (mistake) {
    case kBarriers:
      if (thread < 16)
        __syncthreads();
      else
        __syncthreads();
      break;
    case kMissing:
      if (thread < 16) __shfl_sync(0xffff0000u >> 16, result, 0);
      if (thread < 8) __shfl_sync(0xffffu, result, 0);
      __syncthreads();
      break;
    case kLanes:
      result = thread < 16 ? __shfl_sync(kWholeWarp, result, 0) : __shfl_xor_sync(kWholeWarp, result, 1);
      break;
    case kUnwritten:
      result = shared[thread];
      break;
    case kRace:
      shared[thread] = static_cast<float>(thread);
      result = shared[(thread + 1) % 64];
      break;
    case kOutside:
      shared[64 + thread] = 1;
      break;
    case kUnwaited:
      cp_async<4>(shared + thread, x + thread);
      cp_async_commit();
      result = shared[thread];
      break;
    case kMisaligned:
      cp_async(shared + thread, x + thread);
      break;
    case kVector:
      result = reinterpret_cast<const float4*>(x + thread % 32)->w;
      break;
    default:
      break;
  }
  o[thread] = result;
}

Tensor self_test_tile(const Tensor& a, const Tensor& b) {
  Tensor o = new_empty(a, {16, 8}, ScalarType::Float);
  const cudaStream_t stream = current_stream(a);
  float* out = o.mutable_data_ptr<float>();
  if (a.scalar_type() == ScalarType::Half)
    launch(tile<Half>, 1, 32, 2048, stream, a.const_data_ptr<Half>(), b.const_data_ptr<Half>(), out);
  else if (a.scalar_type() == ScalarType::BFloat16)
    launch(tile<BFloat16>, 1, 32, 2048, stream, a.const_data_ptr<BFloat16>(), b.const_data_ptr<BFloat16>(),
           out);
  else
    launch(tile_tf32, 1, 32, 0, stream, a.const_data_ptr<float>(), b.const_data_ptr<float>(), out);
  return o;
}

Tensor self_test_sum(const Tensor& x, int64_t threads) {
  Tensor o = new_empty(x, {2}, ScalarType::Float);
  launch(block_sum, 2, static_cast<unsigned>(threads), 0, current_stream(x), x.const_data_ptr<float>(),
         o.mutable_data_ptr<float>(), x.numel());
  return o;
}

Tensor self_test_mistake(const Tensor& x, int64_t mistake) {
  Tensor o = new_empty(x, {64}, ScalarType::Float);
  launch(wrong, 1, 64, mistake == kTooMuch ? 1 << 20 : 256, current_stream(x), static_cast<int>(mistake),
         x.const_data_ptr<float>(), o.mutable_data_ptr<float>());
  return o;
}

}  // namespace

FRONTIER_CUDA_LIBRARY(m) {
  m.impl("self_test_tile", TORCH_BOX(&self_test_tile));
  m.impl("self_test_sum", TORCH_BOX(&self_test_sum));
  m.impl("self_test_mistake", TORCH_BOX(&self_test_mistake));
}

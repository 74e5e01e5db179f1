// Moving rows between tokens and experts: copies of each token's row to the rows of its slots, in the widest
// words that alignment allows, and the sum of its k rows in slot order, y[t] = sum_j w[t, j] ys[row(t, j)].
//
// The sum is a gather, so no atomics, and the same input gives the same bits. A thread owns N neighbouring
// elements of a token; the threads of a warp read 32 N elements of one row after another. Either moves T k D
// elements one way and T D the other.

#pragma once

#include "vector.h"

namespace frontier::cuda {

template <typename Word>
__global__ void copy_rows(const Word* x, const int64_t* slot_of, Word* xs, int64_t rows, int64_t top_k,
                          int64_t words) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= rows * words) return;
  const int64_t row = index / words, slot = slot_of[row];
  xs[index] = slot < 0 || slot >= rows ? Word{} : x[slot / top_k * words + index % words];
}

template <typename Word>
void launch_copy_words(const void* x, const int64_t* slot_of, void* xs, int64_t rows, int64_t top_k,
                       int64_t bytes, cudaStream_t stream) {
  const int64_t words = bytes / static_cast<int64_t>(sizeof(Word));
  launch(copy_rows<Word>, blocks(rows * words, 256), 256, 0, stream, static_cast<const Word*>(x), slot_of,
         static_cast<Word*>(xs), rows, top_k, words);
}

template <typename T>
void launch_copy_rows(const T* x, const int64_t* slot_of, T* xs, int64_t rows, int64_t top_k, int64_t width,
                      cudaStream_t stream) {
  const int64_t bytes = width * static_cast<int64_t>(sizeof(T));
  const auto together =
      static_cast<int64_t>(reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(xs)) | bytes;
  if (together % 16 == 0)
    launch_copy_words<uint4>(x, slot_of, xs, rows, top_k, bytes, stream);
  else if (together % 8 == 0)
    launch_copy_words<uint2>(x, slot_of, xs, rows, top_k, bytes, stream);
  else if (together % 4 == 0)
    launch_copy_words<uint32_t>(x, slot_of, xs, rows, top_k, bytes, stream);
  else
    launch_copy_words<uint16_t>(x, slot_of, xs, rows, top_k, bytes, stream);
}

// A thread owns N neighbouring elements of a token.
template <int N, typename S, typename R, typename T>
__global__ void sum_slots(const R* ys, const S* weights, const int64_t* row_of, T* y, int64_t tokens,
                          int64_t top_k, int64_t width, bool whole) {
  const int64_t pieces = (width + N - 1) / N;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= tokens * pieces) return;
  const int64_t token = index / pieces, d = index % pieces * N, rows = tokens * top_k;
  S sum[N] = {};
  for (int64_t j = 0; j < top_k; ++j) {
    const int64_t row = row_of[token * top_k + j];
    if (row < 0 || row >= rows) continue;
    const S w = weights ? weights[token * top_k + j] : S(1);
    S part[N];
    load<N>(ys + row * width + d, width - d, whole, part);
#pragma unroll
    for (int i = 0; i < N; ++i) sum[i] += w * part[i];
  }
  store<N>(y + token * width + d, width - d, whole, sum);
}

template <typename S, typename R, typename T>
void launch_sum_slots(const R* ys, const S* weights, const int64_t* row_of, T* y, int64_t tokens,
                      int64_t top_k, int64_t width, cudaStream_t stream) {
  constexpr int N = 16 / sizeof(R) < 16 / sizeof(T) ? 16 / sizeof(R) : 16 / sizeof(T);
  const bool whole = can_vectorise<N>(ys, width) && can_vectorise<N>(y, width);
  launch(sum_slots<N, S, R, T>, blocks(tokens * ((width + N - 1) / N), 256), 256, 0, stream, ys, weights,
         row_of, y, tokens, top_k, width, whole);
}

}  // namespace frontier::cuda

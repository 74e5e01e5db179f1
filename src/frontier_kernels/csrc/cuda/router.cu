// Routing on the GPU: which experts a token takes, and where its copies lie once they are grouped by expert.
//
// Choice: one warp for each token. It keeps the E scores in shared memory, E / 32 to a lane, and takes the
// largest that is left k times; a butterfly finds it, the lower index wins a tie and NaN counts as largest,
// so k different experts come out of any scores. The scores of the chosen are computed again from the logits,
// which spares a second array. Reads T E logits once, k of them twice.
//
// Grouping is a counting permutation without a sort: blocks count their slots by expert in shared memory, one
// block sums the counts over blocks and experts, and a last pass ranks every slot among its expert's, in slot
// order: `match.any` finds the lanes of a warp that ask for the same expert; for few slots one block does all
// three. Counts are whole numbers, so the atomics that add them cannot change a result. The host reads none
// of them: all grids follow from shapes. Source: the counting rank is that of radix sort (Harris, Sengupta,
// Owens, "Parallel prefix sum", 2007).

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>

#include "common/checks.h"
#include "common/constants.h"
#include "device.h"
#include "vector.h"

namespace {

using namespace frontier::cuda;
using frontier::acc_t;
using frontier::as_contiguous;
using frontier::kSmallestSum;
using torch::headeronly::ScalarType;
using torch::stable::new_empty;
using torch::stable::Tensor;

constexpr size_t kShared = 47 * 1024;  // of the 48 that every block gets without asking
constexpr int kLeastSlots = 2048;      // of a block that ranks, until there are kMostBlocks of them
constexpr int kMostBlocks = 128;

__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ double exponential(double x) { return exp(x); }

// Softmax or sigmoid of a token's logits, one at a time.
template <typename S>
struct Score {
  bool softmax;
  S largest, total;

  __device__ __forceinline__ S operator()(S logit) const {
    if (softmax) return exponential(logit - largest) / total;
    const S e = exponential(logit > 0 ? -logit : logit), small = e / (S(1) + e);  // sigmoid of -|logit|
    return logit > 0 ? S(1) - small : small;
  }
};

// A warp's Score of one row.
template <typename T, typename S>
__device__ __forceinline__ Score<S> score_of(const T* logits, int experts, bool softmax) {
  if (!softmax) return {false, S(0), S(0)};
  const int lane = threadIdx.x % 32;
  S largest = -static_cast<S>(INFINITY), total = 0;
  for (int i = lane; i < experts; i += 32) {
    const S logit = static_cast<S>(logits[i]);
    if (logit > largest) largest = logit;
  }
  largest = warp_max(largest);
  for (int i = lane; i < experts; i += 32) total += exponential(static_cast<S>(logits[i]) - largest);
  return {true, largest, warp_sum(total)};
}

// Orders all scores, NaN before every number.
template <typename S>
__device__ __forceinline__ bool above(S a, S b) {
  return a > b || (a != a && b == b);
}

// The warp's largest of values[i] with open[i], and closes it; the lower index among equals. Lane l looks
// after every i with i % 32 == l.
template <typename S>
__device__ __forceinline__ int take_largest(const S* values, uint8_t* open, int count) {
  const int lane = threadIdx.x % 32;
  S best = 0;
  int at = -1;
  for (int i = lane; i < count; i += 32)
    if (open[i] && (at < 0 || above(values[i], best))) {
      best = values[i];
      at = i;
    }
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    const S other = __shfl_xor_sync(kWholeWarp, best, offset);
    const int from = __shfl_xor_sync(kWholeWarp, at, offset);
    if (from >= 0 && (at < 0 || above(other, best) || (!above(best, other) && from < at))) {
      best = other;
      at = from;
    }
  }
  if (at % 32 == lane) open[at] = 0;
  return at;
}

struct Choice {
  int experts, top_k, groups, open_groups, bytes;  // bytes of shared memory for each warp
  bool softmax, renormalize, biased;
  double factor;
};

template <typename T, typename S>
__global__ void choose(const T* logits, const S* bias, S* weights, int64_t* experts, int64_t tokens,
                       Choice c) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t token = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + warp;
  if (token >= tokens) return;
  unsigned char* mine = dynamic_shared<unsigned char>() + static_cast<size_t>(warp) * c.bytes;
  S* scores = reinterpret_cast<S*>(mine);                               // [E], with the bias
  S* group_scores = scores + c.experts;                                 // [groups]
  uint8_t* open = reinterpret_cast<uint8_t*>(group_scores + c.groups);  // [E]
  uint8_t* open_group = open + c.experts;                               // [groups]
  const T* row = logits + token * c.experts;
  const Score<S> score = score_of<T, S>(row, c.experts, c.softmax);
  for (int i = lane; i < c.experts; i += 32) {
    scores[i] = score(static_cast<S>(row[i])) + (bias ? bias[i] : S(0));
    open[i] = c.groups == 1;
  }
  __syncwarp();
  if (c.groups > 1) {
    const int each = c.experts / c.groups;
    for (int g = lane; g < c.groups; g += 32) {
      S first = -static_cast<S>(INFINITY), second = first;
      for (int i = g * each; i < (g + 1) * each; ++i) {
        if (above(scores[i], first)) {
          second = first;
          first = scores[i];
        } else if (above(scores[i], second)) {
          second = scores[i];
        }
      }
      group_scores[g] = each > 1 ? first + second : first;
      open_group[g] = 1;
    }
    __syncwarp();
    for (int j = 0; j < c.open_groups; ++j) {
      const int g = take_largest(group_scores, open_group, c.groups);
      for (int i = g * each + lane; i < (g + 1) * each; i += 32) open[i] = 1;
    }
    __syncwarp();
  }
  int64_t* chosen = experts + token * c.top_k;
  for (int j = 0; j < c.top_k; ++j) {
    const int best = take_largest(scores, open, c.experts);
    if (j % 32 == lane) chosen[j] = best;
  }
  // Each lane reads what it wrote itself.
  S total = 0;
  for (int j = lane; j < c.top_k; j += 32) total += score(static_cast<S>(row[chosen[j]]));
  total = warp_sum(total);
  if (!c.softmax || c.biased) total += S(kSmallestSum);
  for (int j = lane; j < c.top_k; j += 32) {
    S weight = score(static_cast<S>(row[chosen[j]]));
    if (c.renormalize) weight /= total;
    weights[token * c.top_k + j] = weight * S(c.factor);
  }
}

// Gradient of the logits through the chosen scores, a warp for each token; the formula, and how it avoids the
// difference of equal numbers, is that of route_backward on the CPU.
template <typename T, typename S>
__global__ void choose_backward(const S* grad, const T* logits, const int64_t* experts, T* grad_logits,
                                int64_t tokens, Choice c) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t token = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + warp;
  if (token >= tokens) return;
  S* slopes = reinterpret_cast<S*>(dynamic_shared<unsigned char>() + static_cast<size_t>(warp) * c.bytes);
  const T* row = logits + token * c.experts;
  const S* g = grad + token * c.top_k;
  const int64_t* chosen = experts + token * c.top_k;
  const Score<S> score = score_of<T, S>(row, c.experts, c.softmax);
  S total = 0, product = 0;  // of the chosen scores; of those and the gradients
  for (int j = lane; j < c.top_k; j += 32) {
    const int64_t e = chosen[j];
    if (e < 0 || e >= c.experts) continue;
    const S s = score(static_cast<S>(row[e]));
    total += s;
    product += S(c.factor) * g[j] * s;
  }
  total = warp_sum(total);
  product = warp_sum(product);
  const bool certain = c.softmax && !c.biased;
  const S whole = !c.renormalize ? S(1) : certain ? total : total + S(kSmallestSum);
  const S mean = c.renormalize ? product / whole : S(0);
  const S inner = !c.renormalize ? product : certain ? S(0) : mean * (S(kSmallestSum) / whole);
  for (int i = lane; i < c.experts; i += 32) slopes[i] = 0;
  __syncwarp();
  for (int j = lane; j < c.top_k; j += 32) {
    const int64_t e = chosen[j];
    if (e >= 0 && e < c.experts) slopes[e] = (S(c.factor) * g[j] - mean) / whole;
  }
  __syncwarp();
  for (int i = lane; i < c.experts; i += 32) {
    const S s = score(static_cast<S>(row[i]));
    const S slope = c.softmax ? s * (slopes[i] - inner) : slopes[i] * s * (S(1) - s);
    grad_logits[token * c.experts + i] = static_cast<T>(slope);
  }
}

// Where the slots of one warp of a ranking block lie: slots first to last of block `block`.
struct Segment {
  int64_t first, last;
};

__device__ __forceinline__ Segment segment(int64_t slots, int64_t per_block) {
  const int warp = threadIdx.x / 32, warps = blockDim.x / 32;
  const int64_t each = per_block / warps, first = blockIdx.x * per_block + warp * each;
  const int64_t last = first + each < slots ? first + each : slots;
  return {first, last};
}

// Counts of each warp's slots by expert, and of no expert that does not exist, [warps, E] in shared memory.
__device__ __forceinline__ void count_by_warp(const int64_t* experts, Segment own, int num_experts,
                                              int* counts) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  for (int i = threadIdx.x; i < warps * num_experts; i += blockDim.x) counts[i] = 0;
  __syncthreads();
  for (int64_t s = own.first + lane; s < own.last; s += 32) {
    const int64_t e = experts[s];
    if (e >= 0 && e < num_experts) atomicAdd(&counts[warp * num_experts + static_cast<int>(e)], 1);
  }
  __syncthreads();
}

// How often each expert is asked for in each block's slots: [blocks, E].
__global__ void count_slots(const int64_t* experts, int64_t slots, int64_t per_block, int num_experts,
                            int* block_counts) {
  int* counts = dynamic_shared<int>();
  count_by_warp(experts, segment(slots, per_block), num_experts, counts);
  const int warps = blockDim.x / 32;
  for (int e = threadIdx.x; e < num_experts; e += blockDim.x) {
    int sum = 0;
    for (int w = 0; w < warps; ++w) sum += counts[w * num_experts + e];
    block_counts[static_cast<int64_t>(blockIdx.x) * num_experts + e] = sum;
  }
}

// Turns the blocks' counts into the ranks that they start from, and sums them: demand, counts, offsets. One
// block.
__global__ void sum_counts(int* block_counts, int num_blocks, int num_experts, int64_t capacity,
                           int64_t* counts, int64_t* demand, int64_t* offsets) {
  int64_t* shared = dynamic_shared<int64_t>();
  int64_t before = 0;
  if (threadIdx.x == 0) offsets[0] = 0;
  for (int first = 0; first < num_experts; first += blockDim.x) {
    const int e = first + threadIdx.x;
    int64_t sum = 0, kept = 0, total;
    if (e < num_experts) {
      for (int b = 0; b < num_blocks; ++b) {
        int* count = block_counts + static_cast<int64_t>(b) * num_experts + e;
        const int own = *count;
        *count = static_cast<int>(sum);
        sum += own;
      }
      kept = capacity >= 0 && capacity < sum ? capacity : sum;
      demand[e] = sum;
      counts[e] = kept;
    }
    const int64_t start = block_exclusive_sum(kept, shared, total);
    if (e < num_experts) offsets[e + 1] = before + start + kept;
    before += total;
  }
}

// Where a warp's slots go, both ways; `ranks` [E] holds the rank that its next slot of each expert has.
__device__ __forceinline__ void place_slots(const int64_t* experts, Segment own, int num_experts, int* ranks,
                                            const int64_t* counts, const int64_t* offsets,
                                            int64_t* slot_to_row, int64_t* row_to_slot, bool* dropped) {
  const int lane = threadIdx.x % 32;
  const int64_t used = offsets[num_experts];
  for (int64_t first = own.first; first < own.last; first += 32) {
    const int64_t s = first + lane;
    const int64_t asked = s < own.last ? experts[s] : -1;
    const bool here = asked >= 0 && asked < num_experts;
    const int e = here ? static_cast<int>(asked) : -1;
    const unsigned same = __match_any_sync(kWholeWarp, e);
    const int rank = (here ? ranks[e] : 0) + __popc(same & ((1u << lane) - 1));
    __syncwarp();
    if (here && (same >> lane) == 1u) ranks[e] = rank + 1;  // the last lane of its expert
    __syncwarp();
    if (s >= own.last) continue;
    const bool kept = here && rank < counts[e];
    const int64_t row = kept ? offsets[e] + rank : -1;
    slot_to_row[s] = row;
    if (dropped) dropped[s] = !kept;
    if (kept) row_to_slot[row] = s;
    if (s >= used) row_to_slot[s] = -1;
  }
}

// Turns the warps' counts of one expert into the ranks that they start from; gives what comes after the last.
__device__ __forceinline__ int ranks_of_warps(int* counts, int num_experts, int e, int before) {
  const int warps = blockDim.x / 32;
  for (int w = 0; w < warps; ++w) {
    const int here = counts[w * num_experts + e];
    counts[w * num_experts + e] = before;
    before += here;
  }
  return before;
}

// Rank of every slot among its expert's, in slot order, and both row maps.
__global__ void rank_slots(const int64_t* experts, int64_t slots, int64_t per_block, int num_experts,
                           const int* block_ranks, const int64_t* counts, const int64_t* offsets,
                           int64_t* slot_to_row, int64_t* row_to_slot, bool* dropped) {
  int* ranks = dynamic_shared<int>();
  const Segment own = segment(slots, per_block);
  count_by_warp(experts, own, num_experts, ranks);
  for (int e = threadIdx.x; e < num_experts; e += blockDim.x)
    ranks_of_warps(ranks, num_experts, e, block_ranks[static_cast<int64_t>(blockIdx.x) * num_experts + e]);
  __syncthreads();
  place_slots(experts, own, num_experts, ranks + threadIdx.x / 32 * num_experts, counts, offsets, slot_to_row,
              row_to_slot, dropped);
}

// All of it by one block, for as few slots as decoding has: one launch where there would be three.
__global__ void group_few_slots(const int64_t* experts, int64_t slots, int64_t per_block, int num_experts,
                                int64_t capacity, int64_t* counts, int64_t* demand, int64_t* offsets,
                                int64_t* slot_to_row, int64_t* row_to_slot, bool* dropped) {
  int64_t* sums = dynamic_shared<int64_t>();       // [32]
  int* ranks = reinterpret_cast<int*>(sums + 32);  // [warps, E]
  const Segment own = segment(slots, per_block);
  count_by_warp(experts, own, num_experts, ranks);
  int64_t before = 0;
  if (threadIdx.x == 0) offsets[0] = 0;
  for (int first = 0; first < num_experts; first += blockDim.x) {
    const int e = first + threadIdx.x;
    int64_t kept = 0, total;
    if (e < num_experts) {
      const int64_t asked = ranks_of_warps(ranks, num_experts, e, 0);
      kept = capacity >= 0 && capacity < asked ? capacity : asked;
      demand[e] = asked;
      counts[e] = kept;
    }
    const int64_t start = block_exclusive_sum(kept, sums, total);
    if (e < num_experts) offsets[e + 1] = before + start + kept;
    before += total;
  }
  __syncthreads();
  place_slots(experts, own, num_experts, ranks + threadIdx.x / 32 * num_experts, counts, offsets, slot_to_row,
              row_to_slot, dropped);
}

Choice choice_of(const Tensor& logits, int64_t top_k, const std::string& scoring, bool renormalize,
                 int64_t num_groups, int64_t top_k_groups, double factor) {
  frontier::check_dims("logits", logits, 2);
  const int64_t experts = logits.size(1);
  STD_TORCH_CHECK(experts >= 1, "logits: got no experts, wanted at least one");
  STD_TORCH_CHECK(scoring == "softmax" || scoring == "sigmoid", "scoring: got '", scoring,
                  "', wanted 'softmax' or 'sigmoid'");
  STD_TORCH_CHECK(num_groups >= 1 && experts % num_groups == 0, "num_groups: got ", num_groups,
                  ", wanted a divisor of ", experts);
  STD_TORCH_CHECK(top_k_groups >= 1 && top_k_groups <= num_groups, "top_k_groups: got ", top_k_groups,
                  ", wanted 1 to ", num_groups);
  const int64_t reachable = experts / num_groups * top_k_groups;
  STD_TORCH_CHECK(top_k >= 1 && top_k <= reachable, "top_k: got ", top_k, ", wanted 1 to ", reachable);
  const int64_t most = kShared / (logits.scalar_type() == ScalarType::Double ? 20 : 12);
  STD_TORCH_CHECK(experts <= most, "logits: got ", experts, " experts, wanted ", most, " at most on a GPU");
  return {static_cast<int>(experts),
          static_cast<int>(top_k),
          static_cast<int>(num_groups),
          static_cast<int>(top_k_groups),
          0,
          scoring == "softmax",
          renormalize,
          false,
          factor};
}

// Warps of a block whose shared memory takes `bytes` a warp: eight, or as many as fit.
int warps_for(size_t bytes) { return static_cast<int>(std::clamp<size_t>(kShared / bytes, 1, 8)); }

int round_up(size_t bytes) { return static_cast<int>((bytes + 15) / 16 * 16); }

// Where the slots go: see permute_slots.
struct Plan {
  Tensor counts, demand, offsets, slot_to_row, row_to_slot;

  Plan(const Tensor& experts, int64_t num_experts, int64_t capacity, bool* dropped)
      : counts(new_empty(experts, {num_experts})),
        demand(new_empty(experts, {num_experts})),
        offsets(new_empty(experts, {num_experts + 1})),
        slot_to_row(new_empty(experts, {experts.size(0), experts.size(1)})),
        row_to_slot(new_empty(experts, {experts.numel()})) {
    const int64_t slots = experts.numel();
    STD_TORCH_CHECK(slots <= 0x7fffffff, "experts: got ", slots, " slots, wanted 2^31 - 1 at most");
    const int64_t line = num_experts * static_cast<int64_t>(sizeof(int)), most = kShared / sizeof(int);
    STD_TORCH_CHECK(num_experts <= most, "num_experts: got ", num_experts, ", wanted ", most,
                    " at most on a GPU");
    const int warps = warps_for(line), count = static_cast<int>(num_experts);
    const int64_t unit = 32 * warps;
    const int64_t units = std::max<int64_t>((kLeastSlots + unit - 1) / unit,
                                            (slots + unit * kMostBlocks - 1) / (unit * kMostBlocks));
    const int64_t per_block = units * unit;
    const unsigned grid = blocks(slots, per_block);
    const int64_t* chosen = experts.const_data_ptr<int64_t>();
    int64_t *kept = counts.mutable_data_ptr<int64_t>(), *start = offsets.mutable_data_ptr<int64_t>();
    int64_t* asked = demand.mutable_data_ptr<int64_t>();
    int64_t *row_of = slot_to_row.mutable_data_ptr<int64_t>(),
            *slot_of = row_to_slot.mutable_data_ptr<int64_t>();
    const cudaStream_t stream = current_stream(experts);
    if (grid <= 1) {
      launch(group_few_slots, 1, warps * 32, 32 * sizeof(int64_t) + warps * line, stream, chosen, slots,
             per_block, count, capacity, kept, asked, start, row_of, slot_of, dropped);
      return;
    }
    Tensor block_counts = new_empty(experts, {grid, num_experts}, ScalarType::Int);
    int* of_block = block_counts.mutable_data_ptr<int>();
    launch(count_slots, grid, warps * 32, warps * line, stream, chosen, slots, per_block, count, of_block);
    launch(sum_counts, 1, 256, 32 * sizeof(int64_t), stream, of_block, static_cast<int>(grid), count,
           capacity, kept, asked, start);
    launch(rank_slots, grid, warps * 32, warps * line, stream, chosen, slots, per_block, count, of_block,
           kept, start, row_of, slot_of, dropped);
  }
};

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> permute_slots(const Tensor& experts_in,
                                                                 int64_t num_experts, int64_t capacity) {
  const DeviceGuard guard(experts_in);
  const Tensor experts = as_contiguous(experts_in);
  frontier::check_dims("experts", experts, 2);
  STD_TORCH_CHECK(num_experts >= 1, "num_experts: got ", num_experts, ", wanted at least 1");
  const Plan plan(experts, num_experts, capacity, nullptr);
  return {plan.counts, plan.demand, plan.offsets, plan.slot_to_row, plan.row_to_slot};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> route(
    const Tensor& logits_in, const std::optional<Tensor>& expert_bias, int64_t top_k,
    const std::string& scoring, bool renormalize, int64_t num_groups, int64_t top_k_groups,
    double routed_scaling_factor, int64_t capacity) {
  const DeviceGuard guard(logits_in);
  const Tensor logits = as_contiguous(logits_in);
  Choice c = choice_of(logits, top_k, scoring, renormalize, num_groups, top_k_groups, routed_scaling_factor);
  c.biased = expert_bias.has_value();
  if (expert_bias) {
    frontier::check_shape("expert_bias", *expert_bias, c.experts);
    frontier::check_device("expert_bias", *expert_bias, "logits", logits);
  }
  const int64_t tokens = logits.size(0);
  const ScalarType wide = logits.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
  Tensor weights = new_empty(logits, {tokens, top_k}, wide);
  Tensor experts = new_empty(logits, {tokens, top_k}, ScalarType::Long);
  Tensor dropped = new_empty(logits, {tokens, top_k}, ScalarType::Bool);
  frontier::dispatch_floating(logits, "logits", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    std::optional<Tensor> bias;
    if (expert_bias) bias = as_contiguous(torch::stable::to(*expert_bias, wide));
    c.bytes = round_up((sizeof(S) + 1) * (c.experts + c.groups));
    const int warps = std::min(4, warps_for(c.bytes));
    launch(choose<T, S>, blocks(tokens, warps), warps * 32, static_cast<size_t>(warps) * c.bytes,
           current_stream(logits), logits.const_data_ptr<T>(), bias ? bias->const_data_ptr<S>() : nullptr,
           weights.mutable_data_ptr<S>(), experts.mutable_data_ptr<int64_t>(), tokens, c);
  });
  const Plan plan(experts, c.experts, capacity, dropped.mutable_data_ptr<bool>());
  return {weights,      experts,          plan.counts,      plan.demand,
          plan.offsets, plan.slot_to_row, plan.row_to_slot, dropped};
}

Tensor route_backward(const Tensor& grad_weights, const Tensor& logits_in, const Tensor& experts_in,
                      const std::string& scoring, bool renormalize, double routed_scaling_factor,
                      bool biased) {
  const DeviceGuard guard(logits_in);
  const Tensor logits = as_contiguous(logits_in), grad = as_contiguous(grad_weights);
  const Tensor experts = as_contiguous(experts_in);
  frontier::check_dims("experts", experts, 2);
  const int64_t tokens = experts.size(0), top_k = experts.size(1);
  Choice c = choice_of(logits, top_k, scoring, renormalize, 1, 1, routed_scaling_factor);
  c.biased = biased;
  frontier::check_shape("experts", experts, logits.size(0), top_k);
  frontier::check_shape("grad_weights", grad, tokens, top_k);
  frontier::check_device("experts", experts, "logits", logits);
  frontier::check_device("grad_weights", grad, "logits", logits);
  Tensor grad_logits = new_empty(logits, {tokens, c.experts});
  frontier::dispatch_floating(logits, "logits", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    c.bytes = round_up(sizeof(S) * c.experts);
    const int warps = std::min(4, warps_for(c.bytes));
    launch(choose_backward<T, S>, blocks(tokens, warps), warps * 32, static_cast<size_t>(warps) * c.bytes,
           current_stream(logits), grad.const_data_ptr<S>(), logits.const_data_ptr<T>(),
           experts.const_data_ptr<int64_t>(), grad_logits.mutable_data_ptr<T>(), tokens, c);
  });
  return grad_logits;
}

}  // namespace

FRONTIER_CUDA_LIBRARY(m) {
  m.impl("route", TORCH_BOX(&route));
  m.impl("route_backward", TORCH_BOX(&route_backward));
  m.impl("permute_slots", TORCH_BOX(&permute_slots));
}

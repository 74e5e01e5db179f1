// Routing: which experts a token takes, and where its copies lie once they are grouped by expert.
//
// Selection scans the E scores of a token k times and takes the largest that is left; the lower index wins a
// tie, so the result does not depend on a library's sort. Grouping is a counting permutation: one pass counts
// each expert's slots, an exclusive scan turns the counts into offsets, a second pass in slot order hands out
// rows. O(T k + E) work, 8 T k bytes read twice and 16 T k written, no sort, no atomics; tokens keep their
// order within an expert. A capacity clips the rank in that order, which is how Switch Transformer drops
// tokens (Fedus et al., 2022, section 2.2). Limiting the choice to the best groups follows DeepSeek-V3 (2024,
// section 2.1.2): a group scores the sum of its two best experts.

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <vector>

#include "cpu/dispatch.h"

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// Takes the `wanted` largest of `scores` among those with `open[i] != 0`, in descending order, the lower
// index first among equals, and closes them.
template <typename T>
void take_largest(const T* scores, std::vector<char>& open, int64_t count, int64_t wanted, int64_t* taken) {
  for (int64_t j = 0; j < wanted; ++j) {
    int64_t best = -1;
    for (int64_t i = 0; i < count; ++i)
      if (open[i] && (best < 0 || scores[i] > scores[best])) best = i;
    // NaN compares with nothing: the index is valid all the same, and the NaN shows up in the weights.
    open[best] = 0;
    taken[j] = best;
  }
}

template <typename T>
void select_rows(const T* scores, int64_t* experts, int64_t begin, int64_t end, int64_t num_experts,
                 int64_t top_k, int64_t num_groups, int64_t top_k_groups) {
  const int64_t group = num_experts / num_groups;
  std::vector<char> open(num_experts), open_groups(num_groups);
  std::vector<T> group_scores(num_groups);
  std::vector<int64_t> best_groups(top_k_groups);
  for (int64_t t = begin; t < end; ++t) {
    const T* row = scores + t * num_experts;
    std::fill(open.begin(), open.end(), num_groups == 1);
    if (num_groups > 1) {
      for (int64_t g = 0; g < num_groups; ++g) {
        T first = -std::numeric_limits<T>::infinity(), second = first;
        for (int64_t i = g * group; i < (g + 1) * group; ++i) {
          if (row[i] > first) {
            second = first;
            first = row[i];
          } else if (row[i] > second) {
            second = row[i];
          }
        }
        group_scores[g] = group > 1 ? first + second : first;
      }
      std::fill(open_groups.begin(), open_groups.end(), 1);
      take_largest(group_scores.data(), open_groups, num_groups, top_k_groups, best_groups.data());
      for (int64_t g : best_groups) std::fill_n(open.begin() + g * group, group, 1);
    }
    take_largest(row, open, num_experts, top_k, experts + t * top_k);
  }
}

Tensor select_experts(const Tensor& scores_in, int64_t top_k, int64_t num_groups, int64_t top_k_groups) {
  const Tensor scores = torch::stable::contiguous(scores_in);
  STD_TORCH_CHECK(scores.dim() == 2, "scores: got ", scores.dim(), " dimensions, wanted [tokens, experts]");
  const int64_t tokens = scores.size(0), num_experts = scores.size(1);
  STD_TORCH_CHECK(num_groups >= 1 && num_experts % num_groups == 0, "num_groups: got ", num_groups,
                  ", wanted a divisor of ", num_experts);
  STD_TORCH_CHECK(top_k_groups >= 1 && top_k_groups <= num_groups, "top_k_groups: got ", top_k_groups,
                  ", wanted 1 to ", num_groups);
  const int64_t reachable = num_experts / num_groups * top_k_groups;
  STD_TORCH_CHECK(top_k >= 1 && top_k <= reachable, "top_k: got ", top_k, ", wanted 1 to ", reachable);
  Tensor experts = torch::stable::new_empty(scores, {tokens, top_k}, ScalarType::Long);
  int64_t* out = experts.mutable_data_ptr<int64_t>();
  frontier::for_real(scores, "select_experts", [&](auto zero) {
    using T = decltype(zero);
    const T* in = scores.const_data_ptr<T>();
    torch::stable::parallel_for(0, tokens, 256, [&](int64_t begin, int64_t end) {
      select_rows(in, out, begin, end, num_experts, top_k, num_groups, top_k_groups);
    });
  });
  return experts;
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> permute_slots(const Tensor& experts_in,
                                                                 int64_t num_experts, int64_t capacity) {
  const Tensor experts = torch::stable::contiguous(experts_in);
  STD_TORCH_CHECK(experts.dim() == 2, "experts: got ", experts.dim(), " dimensions, wanted [tokens, top_k]");
  STD_TORCH_CHECK(num_experts >= 1, "num_experts: got ", num_experts, ", wanted at least 1");
  const int64_t tokens = experts.size(0), top_k = experts.size(1), slots = tokens * top_k;
  Tensor counts = torch::stable::new_zeros(experts, {num_experts});
  Tensor demand = torch::stable::new_zeros(experts, {num_experts});
  Tensor offsets = torch::stable::new_zeros(experts, {num_experts + 1});
  Tensor slot_to_row = torch::stable::new_empty(experts, {tokens, top_k});
  Tensor row_to_slot = torch::stable::new_empty(experts, {slots});
  const int64_t* chosen = experts.const_data_ptr<int64_t>();
  int64_t* kept = counts.mutable_data_ptr<int64_t>();
  int64_t* asked = demand.mutable_data_ptr<int64_t>();
  int64_t* start = offsets.mutable_data_ptr<int64_t>();
  int64_t* row_of = slot_to_row.mutable_data_ptr<int64_t>();
  int64_t* slot_of = row_to_slot.mutable_data_ptr<int64_t>();

  for (int64_t s = 0; s < slots; ++s) {
    STD_TORCH_CHECK(chosen[s] >= 0 && chosen[s] < num_experts, "experts: got index ", chosen[s],
                    ", wanted 0 to ", num_experts - 1);
    ++asked[chosen[s]];
  }
  for (int64_t e = 0; e < num_experts; ++e) {
    kept[e] = capacity < 0 ? asked[e] : std::min(asked[e], capacity);
    start[e + 1] = start[e] + kept[e];
  }
  std::vector<int64_t> rank(num_experts, 0);
  std::fill_n(slot_of, slots, int64_t{-1});
  for (int64_t s = 0; s < slots; ++s) {
    const int64_t e = chosen[s], r = rank[e]++;
    row_of[s] = r < kept[e] ? start[e] + r : -1;
    if (row_of[s] >= 0) slot_of[row_of[s]] = s;
  }
  return {counts, demand, offsets, slot_to_row, row_to_slot};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(frontier_kernels, CPU, m) {
  m.impl("select_experts", TORCH_BOX(&select_experts));
  m.impl("permute_slots", TORCH_BOX(&permute_slots));
}

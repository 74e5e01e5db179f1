// Routing: which experts a token takes, with what weight, and where its copies lie once they are grouped by
// expert.
//
// A token's E logits become scores (softmax or sigmoid) in the accumulation type, and selection scans them k
// times and takes the largest that is left; the lower index wins a tie, so the result does not depend on a
// library's sort. Grouping is a counting permutation: one pass counts each expert's slots, an exclusive scan
// turns the counts into offsets, a second pass in slot order hands out rows. O(T E + T k + E) work, the
// logits read once, 8 T k bytes of experts read twice and 16 T k written, no sort, no atomics; tokens keep
// their order within an expert. All of it is one operator, because decoding a token costs little more than
// the calls. A capacity clips the rank in slot order, which is how Switch Transformer drops tokens (Fedus et
// al., 2022, section 2.2). Limiting the choice to the best groups follows DeepSeek-V3 (2024, section 2.1.2):
// a group scores the sum of its two best experts.

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "common/checks.h"
#include "common/constants.h"
#include "common/dtypes.h"
#include "kernel_table.h"

namespace {

using frontier::acc_t;
using frontier::as_contiguous;
using frontier::kSmallestSum;
using torch::headeronly::ScalarType;
using torch::stable::new_empty;
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

// Memory for the choice of one token after the other.
template <typename S>
class Chooser {
 public:
  Chooser(int64_t num_experts, int64_t top_k, int64_t num_groups, int64_t top_k_groups)
      : num_experts_(num_experts),
        top_k_(top_k),
        num_groups_(num_groups),
        open_(num_experts),
        open_groups_(num_groups),
        group_scores_(num_groups),
        best_groups_(top_k_groups) {}

  // The k best of `scores [E]`, best first.
  void choose(const S* scores, int64_t* experts) {
    const int64_t group = num_experts_ / num_groups_;
    std::fill(open_.begin(), open_.end(), num_groups_ == 1);
    if (num_groups_ > 1) {
      for (int64_t g = 0; g < num_groups_; ++g) {
        S first = -std::numeric_limits<S>::infinity(), second = first;
        for (int64_t i = g * group; i < (g + 1) * group; ++i) {
          if (scores[i] > first) {
            second = first;
            first = scores[i];
          } else if (scores[i] > second) {
            second = scores[i];
          }
        }
        group_scores_[g] = group > 1 ? first + second : first;
      }
      std::fill(open_groups_.begin(), open_groups_.end(), 1);
      take_largest(group_scores_.data(), open_groups_, num_groups_, std::ssize(best_groups_),
                   best_groups_.data());
      for (int64_t g : best_groups_) std::fill_n(open_.begin() + g * group, group, 1);
    }
    take_largest(scores, open_, num_experts_, top_k_, experts);
  }

 private:
  int64_t num_experts_, top_k_, num_groups_;
  std::vector<char> open_, open_groups_;
  std::vector<S> group_scores_;
  std::vector<int64_t> best_groups_;
};

// scores[E] from a token's logits, which are overwritten: their softmax, or the sigmoid of each.
template <typename S>
void score(S* logits, S* scores, int64_t count, bool softmax) {
  const auto& kernels = frontier::kernels<S>();
  if (softmax) {
    const S largest = *std::max_element(logits, logits + count);
    for (int64_t i = 0; i < count; ++i) logits[i] -= largest;
    kernels.exponentials(logits, scores, count);
    S sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += scores[i];
    for (int64_t i = 0; i < count; ++i) scores[i] /= sum;
    return;
  }
  for (int64_t i = 0; i < count; ++i) scores[i] = -std::abs(logits[i]);
  kernels.exponentials(scores, scores, count);
  for (int64_t i = 0; i < count; ++i) {
    const S small = scores[i] / (1 + scores[i]);  // sigmoid of -|x|
    scores[i] = logits[i] > 0 ? 1 - small : small;
  }
}

// What a token's chosen scores are divided by.
template <typename S>
S divisor(S sum, bool softmax, bool biased) {
  // The k best of a softmax sum to k/E or more; those that a bias chose, or sigmoids, can all underflow.
  return softmax && !biased ? sum : sum + static_cast<S>(kSmallestSum);
}

bool is_softmax(const std::string& scoring) {
  STD_TORCH_CHECK(scoring == "softmax" || scoring == "sigmoid", "scoring: got '", scoring,
                  "', wanted 'softmax' or 'sigmoid'");
  return scoring == "softmax";
}

// The elements of a bias in any float type, in that of the scores.
template <typename S>
std::vector<S> bias_values(const std::optional<Tensor>& bias_in, int64_t num_experts) {
  if (!bias_in) return {};
  const Tensor bias = as_contiguous(*bias_in);
  frontier::check_shape("expert_bias", bias, num_experts);
  std::vector<S> values(num_experts);
  frontier::dispatch_floating(bias, "expert_bias", [&](auto zero) {
    using T = decltype(zero);
    const T* in = bias.const_data_ptr<T>();
    for (int64_t i = 0; i < num_experts; ++i) values[i] = static_cast<S>(in[i]);
  });
  return values;
}

// Where the slots go: see permute_slots. A slot whose expert is -1 goes nowhere.
struct Plan {
  Tensor counts, demand, offsets, slot_to_row, row_to_slot;

  Plan(const Tensor& experts, int64_t num_experts, int64_t capacity)
      : counts(new_empty(experts, {num_experts})),
        demand(new_empty(experts, {num_experts})),
        offsets(new_empty(experts, {num_experts + 1})),
        slot_to_row(new_empty(experts, {experts.size(0), experts.size(1)})),
        row_to_slot(new_empty(experts, {experts.numel()})) {
    const int64_t slots = experts.numel();
    const int64_t* chosen = experts.const_data_ptr<int64_t>();
    int64_t* kept = counts.mutable_data_ptr<int64_t>();
    int64_t* asked = demand.mutable_data_ptr<int64_t>();
    int64_t* start = offsets.mutable_data_ptr<int64_t>();
    int64_t* row_of = slot_to_row.mutable_data_ptr<int64_t>();
    int64_t* slot_of = row_to_slot.mutable_data_ptr<int64_t>();
    std::fill_n(asked, num_experts, int64_t{0});
    for (int64_t s = 0; s < slots; ++s) {
      STD_TORCH_CHECK(chosen[s] >= -1 && chosen[s] < num_experts, "experts: got index ", chosen[s],
                      ", wanted 0 to ", num_experts - 1, ", or -1 for none");
      if (chosen[s] >= 0) ++asked[chosen[s]];
    }
    start[0] = 0;
    for (int64_t e = 0; e < num_experts; ++e) {
      kept[e] = capacity < 0 ? asked[e] : std::min(asked[e], capacity);
      start[e + 1] = start[e] + kept[e];
    }
    std::vector<int64_t> rank(num_experts, 0);
    std::fill_n(slot_of, slots, int64_t{-1});
    for (int64_t s = 0; s < slots; ++s) {
      const int64_t e = chosen[s];
      const int64_t r = e < 0 ? -1 : rank[e]++;
      row_of[s] = r >= 0 && r < kept[e] ? start[e] + r : -1;
      if (row_of[s] >= 0) slot_of[row_of[s]] = s;
    }
  }
};

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> permute_slots(const Tensor& experts_in,
                                                                 int64_t num_experts, int64_t capacity) {
  const Tensor experts = as_contiguous(experts_in);
  frontier::check_dims("experts", experts, 2);
  STD_TORCH_CHECK(num_experts >= 1, "num_experts: got ", num_experts, ", wanted at least 1");
  const Plan plan(experts, num_experts, capacity);
  return {plan.counts, plan.demand, plan.offsets, plan.slot_to_row, plan.row_to_slot};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> route(
    const Tensor& logits_in, const std::optional<Tensor>& expert_bias, int64_t top_k,
    const std::string& scoring, bool renormalize, int64_t num_groups, int64_t top_k_groups,
    double routed_scaling_factor, int64_t capacity) {
  const Tensor logits = as_contiguous(logits_in);
  frontier::check_dims("logits", logits, 2);
  const int64_t tokens = logits.size(0), num_experts = logits.size(1);
  STD_TORCH_CHECK(num_groups >= 1 && num_experts % num_groups == 0, "num_groups: got ", num_groups,
                  ", wanted a divisor of ", num_experts);
  STD_TORCH_CHECK(top_k_groups >= 1 && top_k_groups <= num_groups, "top_k_groups: got ", top_k_groups,
                  ", wanted 1 to ", num_groups);
  const int64_t reachable = num_experts / num_groups * top_k_groups;
  STD_TORCH_CHECK(top_k >= 1 && top_k <= reachable, "top_k: got ", top_k, ", wanted 1 to ", reachable);
  const bool softmax = is_softmax(scoring);
  Tensor weights = new_empty(logits, {tokens, top_k}, frontier::acc_type(logits));
  Tensor experts = new_empty(logits, {tokens, top_k}, ScalarType::Long);
  Tensor dropped = new_empty(logits, {tokens, top_k}, ScalarType::Bool);
  int64_t* chosen = experts.mutable_data_ptr<int64_t>();
  frontier::dispatch_floating(logits, "logits", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const T* in = logits.const_data_ptr<T>();
    S* out = weights.mutable_data_ptr<S>();
    const std::vector<S> bias = bias_values<S>(expert_bias, num_experts);
    const S factor = static_cast<S>(routed_scaling_factor);
    torch::stable::parallel_for(0, tokens, 256, [&](int64_t begin, int64_t end) {
      Chooser<S> chooser(num_experts, top_k, num_groups, top_k_groups);
      std::vector<S> row(num_experts), scores(num_experts);
      for (int64_t t = begin; t < end; ++t) {
        frontier::convert(in + t * num_experts, row.data(), num_experts);
        score(row.data(), scores.data(), num_experts, softmax);
        const S* best = scores.data();
        if (!bias.empty()) {
          for (int64_t i = 0; i < num_experts; ++i) row[i] = scores[i] + bias[i];
          best = row.data();
        }
        chooser.choose(best, chosen + t * top_k);
        S sum = 0;
        for (int64_t j = 0; j < top_k; ++j) sum += out[t * top_k + j] = scores[chosen[t * top_k + j]];
        const S whole = renormalize ? divisor(sum, softmax, !bias.empty()) : S(1);
        for (int64_t j = 0; j < top_k; ++j) out[t * top_k + j] = out[t * top_k + j] / whole * factor;
      }
    });
  });
  const Plan plan(experts, num_experts, capacity);
  const int64_t* row_of = plan.slot_to_row.const_data_ptr<int64_t>();
  bool* full = dropped.mutable_data_ptr<bool>();
  for (int64_t s = 0; s < tokens * top_k; ++s) full[s] = row_of[s] < 0;
  return {weights,      experts,          plan.counts,      plan.demand,
          plan.offsets, plan.slot_to_row, plan.row_to_slot, dropped};
}

// From the weights' gradient through the chosen scores alone, which are computed once more. With w_j = f s_j
// / d, where d is one or the sum of the chosen scores (plus a constant c):
//
//   ds_j = (f g_j - <g, w>) / d          softmax: dz_i = s_i (ds_i - <ds, s>)     sigmoid: dz_j = ds_j s_j (1
//   - s_j)
//
// Renormalised, <ds, s> = <g, w> c / d: written so, it is zero where the difference would leave rounding.
Tensor route_backward(const Tensor& grad_in, const Tensor& logits_in, const Tensor& experts_in,
                      const std::string& scoring, bool renormalize, double routed_scaling_factor,
                      bool biased) {
  const Tensor grad = as_contiguous(grad_in), logits = as_contiguous(logits_in),
               experts = as_contiguous(experts_in);
  frontier::check_dims("logits", logits, 2);
  frontier::check_dims("experts", experts, 2);
  const int64_t tokens = logits.size(0), num_experts = logits.size(1), top_k = experts.size(1);
  frontier::check_shape("experts", experts, tokens, top_k);
  frontier::check_shape("grad_weights", grad, tokens, top_k);
  const bool softmax = is_softmax(scoring);
  const int64_t* chosen = experts.const_data_ptr<int64_t>();
  for (int64_t s = 0; s < tokens * top_k; ++s)
    STD_TORCH_CHECK(chosen[s] >= 0 && chosen[s] < num_experts, "experts: got index ", chosen[s],
                    ", wanted 0 to ", num_experts - 1);
  Tensor dlogits = new_empty(logits, {tokens, num_experts});
  frontier::dispatch_floating(logits, "logits", [&](auto zero) {
    using T = decltype(zero);
    using S = acc_t<T>;
    const T* in = logits.const_data_ptr<T>();
    const S* g = grad.const_data_ptr<S>();
    T* out = dlogits.mutable_data_ptr<T>();
    const S factor = static_cast<S>(routed_scaling_factor);
    torch::stable::parallel_for(0, tokens, 256, [&](int64_t begin, int64_t end) {
      std::vector<S> row(num_experts), scores(num_experts), ds(num_experts);
      for (int64_t t = begin; t < end; ++t) {
        const int64_t* taken = chosen + t * top_k;
        const S* gt = g + t * top_k;
        frontier::convert(in + t * num_experts, row.data(), num_experts);
        score(row.data(), scores.data(), num_experts, softmax);
        S sum = 0, product = 0;  // of the chosen scores; of those and the gradients
        for (int64_t j = 0; j < top_k; ++j) {
          sum += scores[taken[j]];
          product += factor * gt[j] * scores[taken[j]];
        }
        const S whole = renormalize ? divisor(sum, softmax, biased) : S(1);
        const S mean = renormalize ? product / whole : S(0);
        const S dot = !renormalize ? product : softmax && !biased ? S(0) : mean * (kSmallestSum / whole);
        std::fill(ds.begin(), ds.end(), S(0));
        for (int64_t j = 0; j < top_k; ++j) ds[taken[j]] = (factor * gt[j] - mean) / whole;
        for (int64_t i = 0; i < num_experts; ++i)
          ds[i] = softmax ? scores[i] * (ds[i] - dot) : ds[i] * scores[i] * (1 - scores[i]);
        frontier::convert(ds.data(), out + t * num_experts, num_experts);
      }
    });
  });
  return dlogits;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(frontier_kernels, CPU, m) {
  m.impl("route", TORCH_BOX(&route));
  m.impl("route_backward", TORCH_BOX(&route_backward));
  m.impl("permute_slots", TORCH_BOX(&permute_slots));
}

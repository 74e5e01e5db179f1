// The activations of one instruction set, forward and backward, and the exponentials that they and retention
// take. Part of kernels.inc.h.

#ifndef REAL
#error "activations.inc.h is a part of kernels.inc.h, which says what has to be defined"
#endif

// exp x: for float by reduction to |x| <= ln 2 / 2 and Taylor's polynomial of degree 7, clamped where it
// would leave the normal numbers; for double the standard library's, lane by lane.
INLINE V exponential(V x) {
  if constexpr (sizeof(REAL) == 4 && LANES > 1) {
#if defined(__GNUC__)
    typedef std::conditional_t<sizeof(REAL) == 4, int32_t, int64_t> Integer;
    typedef Integer Word __attribute__((vector_size(sizeof(V))));
    x = x > REAL(88) ? V{} + REAL(88) : x;
    x = x < REAL(-87) ? V{} - REAL(87) : x;
    const V shifted = x * REAL(1.44269504) + REAL(12582912);  // 1.5 2^23: rounds to an integer
    const V n = shifted - REAL(12582912);
    const V r = (x - n * REAL(0.693359375)) + n * REAL(2.12194440e-4);
    V y = r * REAL(1.98412698e-4) + REAL(1.38888889e-3);
    y = y * r + REAL(8.33333333e-3);
    y = y * r + REAL(4.16666667e-2);
    y = y * r + REAL(1.66666667e-1);
    y = y * r + REAL(0.5);
    y = y * r + REAL(1);
    y = y * r + REAL(1);
    const Word exponent = (__builtin_bit_cast(Word, shifted) << 23) + (127 << 23);
    return y * __builtin_bit_cast(V, exponent);
#endif
  }
  REAL lanes[LANES];
  store(lanes, x);
  for (int i = 0; i < LANES; ++i) lanes[i] = std::exp(lanes[i]);
  return load(lanes);
}

// Below -87 a factor is taken as zero: exp would leave the normal numbers there, and what has faded that far
// is forgotten.
TARGET void exponentials(const REAL* x, REAL* y, int64_t count) {
  for (int64_t i = 0; i < count; i += LANES) {
    const V from = load_some(x + i, count - i);
#if defined(__GNUC__)
    const V to =
        sizeof(REAL) == 4 && LANES > 1 ? (from < REAL(-87) ? V{} : exponential(from)) : exponential(from);
#else
    const V to = exponential(from);
#endif
    store_some(y + i, to, count - i);
  }
}

// The normal distribution's cumulative function, and x times its density, which comes along. For float the
// tail beyond |x| is Abramowitz and Stegun's 7.1.26, at most 1.5e-7 / 2 off; below zero it is the result as
// it stands, not a difference. For double erfc is the standard library's, lane by lane.
INLINE V normal_cdf(V x, V* x_density) {
  const V bell = exponential(REAL(-0.5) * x * x);
  *x_density = x * REAL(0.39894228040143267794) * bell;
  if constexpr (sizeof(REAL) == 4 && LANES > 1) {
#if defined(__GNUC__)
    const V t = REAL(1) / (REAL(1) + REAL(0.3275911 * 0.70710678118654752440) * (x < REAL(0) ? -x : x));
    V tail = t * REAL(1.061405429) - REAL(1.453152027);
    tail = tail * t + REAL(1.421413741);
    tail = tail * t - REAL(0.284496736);
    tail = tail * t + REAL(0.254829592);
    tail *= REAL(0.5) * t * bell;
    return x < REAL(0) ? tail : REAL(1) - tail;
#endif
  }
  REAL lanes[LANES];
  store(lanes, x);
  for (int i = 0; i < LANES; ++i) lanes[i] = REAL(0.5) * std::erfc(lanes[i] * REAL(-0.70710678118654752440));
  return load(lanes);
}

template <typename>
INLINE V constant(double value) {
  return V{} + static_cast<REAL>(value);
}

INLINE V sigmoid(V x) { return REAL(1) / (REAL(1) + exponential(-x)); }

#include "common/activation_formulas.inc.h"

template <Activation K>
INLINE Activated<V> activated_at(const REAL* pre, int64_t h, int64_t hidden) {
  const V x = load_some(pre + h, hidden - h);
  if constexpr (kIsGated<K>) return activated<K>(x, load_some(pre + hidden + h, hidden - h));
  return activated<K>(x, V{});
}

template <Activation K>
TARGET void activate_as(const REAL* pre, REAL* a, int64_t hidden) {
  for (int64_t h = 0; h < hidden; h += LANES)
    store_some(a + h, activated_at<K>(pre, h, hidden).value, hidden - h);
}

template <Activation K>
TARGET REAL activate_backward_as(const REAL* pre, const REAL* u, REAL w, REAL* a, REAL* dpre,
                                 int64_t hidden) {
  V dot = {};
  for (int64_t h = 0; h < hidden; h += LANES) {
    const int64_t count = hidden - h;
    const Activated<V> act = activated_at<K>(pre, h, hidden);
    const V du = load_some(u + h, count), da = w * du;
    if constexpr (kIsGated<K>) store_some(dpre + hidden + h, da * act.up_slope, count);
    store_some(dpre + h, da * act.slope, count);
    store_some(a + h, w * act.value, count);
    dot += du * act.value;
  }
  return sum_lanes(dot);
}

typedef void (*Activate)(const REAL*, REAL*, int64_t);
typedef REAL (*ActivateBackward)(const REAL*, const REAL*, REAL, REAL*, REAL*, int64_t);

template <size_t... K>
constexpr std::array<Activate, sizeof...(K)> activates(std::index_sequence<K...>) {
  return {activate_as<static_cast<Activation>(K)>...};
}

template <size_t... K>
constexpr std::array<ActivateBackward, sizeof...(K)> activate_backwards(std::index_sequence<K...>) {
  return {activate_backward_as<static_cast<Activation>(K)>...};
}

TARGET void activate(Activation kind, const REAL* pre, REAL* a, int64_t hidden) {
  static constexpr auto all = activates(std::make_index_sequence<std::size(kActivations)>{});
  all[static_cast<size_t>(kind)](pre, a, hidden);
}

TARGET REAL activate_backward(Activation kind, const REAL* pre, const REAL* u, REAL w, REAL* a, REAL* dpre,
                              int64_t hidden) {
  static constexpr auto all = activate_backwards(std::make_index_sequence<std::size(kActivations)>{});
  return all[static_cast<size_t>(kind)](pre, u, w, a, dpre, hidden);
}

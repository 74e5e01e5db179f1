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

// The normal distribution's cumulative function, and its density times sqrt(2 pi), which comes along. For
// float the tail beyond |x| is Abramowitz and Stegun's 7.1.26, at most 1.5e-7 / 2 off; below zero it is the
// result as it stands, not a difference. For double erfc is the standard library's, lane by lane.
INLINE V normal_cdf(V x, V* density) {
  *density = exponential(REAL(-0.5) * x * x);
  if constexpr (sizeof(REAL) == 4 && LANES > 1) {
#if defined(__GNUC__)
    const V t = REAL(1) / (REAL(1) + REAL(0.3275911 * 0.70710678118654752440) * (x < REAL(0) ? -x : x));
    V tail = t * REAL(1.061405429) - REAL(1.453152027);
    tail = tail * t + REAL(1.421413741);
    tail = tail * t - REAL(0.284496736);
    tail = tail * t + REAL(0.254829592);
    tail *= REAL(0.5) * t * *density;
    return x < REAL(0) ? tail : REAL(1) - tail;
#endif
  }
  REAL lanes[LANES];
  store(lanes, x);
  for (int i = 0; i < LANES; ++i) lanes[i] = REAL(0.5) * std::erfc(lanes[i] * REAL(-0.70710678118654752440));
  return load(lanes);
}

// act(x) and its slope.
template <Activation K>
INLINE V activation(V x, V* slope) {
  if constexpr (K == Activation::gelu) {
    V density;
    const V cdf = normal_cdf(x, &density);
    if (slope) *slope = cdf + x * REAL(0.39894228040143267794) * density;
    return x * cdf;
  } else {
    const V s = REAL(1) / (REAL(1) + exponential(-x));
    if (slope) *slope = s * (REAL(1) + x * (REAL(1) - s));
    return x * s;
  }
}

template <Activation K>
TARGET void activate_as(const REAL* pre, REAL* a, int64_t hidden) {
  for (int64_t h = 0; h < hidden; h += LANES) {
    const int64_t count = hidden - h;
    V value = activation<K>(load_some(pre + h, count), nullptr);
    if constexpr (K == Activation::swiglu) value *= load_some(pre + hidden + h, count);
    store_some(a + h, value, count);
  }
}

TARGET void activate(Activation kind, const REAL* pre, REAL* a, int64_t hidden) {
  if (kind == Activation::gelu) return activate_as<Activation::gelu>(pre, a, hidden);
  if (kind == Activation::silu) return activate_as<Activation::silu>(pre, a, hidden);
  activate_as<Activation::swiglu>(pre, a, hidden);
}

template <Activation K>
TARGET REAL activate_backward_as(const REAL* pre, const REAL* u, REAL w, REAL* a, REAL* dpre,
                                 int64_t hidden) {
  V dot = {};
  for (int64_t h = 0; h < hidden; h += LANES) {
    const int64_t count = hidden - h;
    V slope, value = activation<K>(load_some(pre + h, count), &slope);
    const V du = load_some(u + h, count), da = w * du;
    if constexpr (K == Activation::swiglu) {
      const V up = load_some(pre + hidden + h, count);
      store_some(dpre + hidden + h, da * value, count);
      slope *= up;
      value *= up;
    }
    store_some(dpre + h, da * slope, count);
    store_some(a + h, w * value, count);
    dot += du * value;
  }
  return sum_lanes(dot);
}

TARGET REAL activate_backward(Activation kind, const REAL* pre, const REAL* u, REAL w, REAL* a, REAL* dpre,
                              int64_t hidden) {
  if (kind == Activation::gelu) return activate_backward_as<Activation::gelu>(pre, u, w, a, dpre, hidden);
  if (kind == Activation::silu) return activate_backward_as<Activation::silu>(pre, u, w, a, dpre, hidden);
  return activate_backward_as<Activation::swiglu>(pre, u, w, a, dpre, hidden);
}

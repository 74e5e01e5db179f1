// The activations and their slopes, one formula for every device: included once for each instruction set of
// the CPU, in its namespace, and once for CUDA. V is then a vector, or one element. Wanted before it:
//
//   INLINE                            function attributes
//   V sigmoid(V x)
//   V normal_cdf(V x, V* x_density)   the normal distribution's cumulative function, and x times its density
//
// Comparisons of vectors choose lane by lane. They are written so that NaN stays NaN.

#ifndef INLINE
#error "activation_formulas.inc.h: INLINE has to be defined, sigmoid and normal_cdf declared"
#endif

// act(x) and its derivative; of a gated one, act(gate, up) and both derivatives.
template <typename V>
struct Activated {
  V value, slope, up_slope;
};

// Declared only: a row of FRONTIER_ACTIVATIONS without a formula below does not compile.
template <Activation K>
struct Formula;

// Exact GELU: Hendrycks and Gimpel, 2016.
template <>
struct Formula<Activation::gelu> {
  template <typename V>
  INLINE static Activated<V> at(V x) {
    V x_density;
    const V cdf = normal_cdf(x, &x_density);
    return {x * cdf, cdf + x_density, V{}};
  }
};

// SiLU, also called swish: Elfwing et al., 2017; Ramachandran et al., 2017.
template <>
struct Formula<Activation::silu> {
  template <typename V>
  INLINE static Activated<V> at(V x) {
    const V s = sigmoid(x);
    return {x * s, s * (1 + x * (1 - s)), V{}};
  }
};

// SwiGLU: Shazeer, "GLU Variants Improve Transformer", 2020.
template <>
struct Formula<Activation::swiglu> {
  template <typename V>
  INLINE static Activated<V> at(V gate, V up) {
    const Activated<V> silu = Formula<Activation::silu>::at(gate);
    return {silu.value * up, silu.slope * up, silu.value};
  }
};

// The formula of one activation, whether it is gated or not; `up` is not read where it is not.
template <Activation K, typename V>
INLINE Activated<V> activated(V x, V up) {
  if constexpr (is_gated(K))
    return Formula<K>::at(x, up);
  else
    return Formula<K>::at(x);
}

// The activations and their slopes, one formula for every device: included once for each instruction set of
// the CPU, in its namespace, and once for CUDA. V is then a vector, or one element. Wanted before it:
//
//   INLINE                            function attributes
//   V constant<V>(double value)
//   V sigmoid(V x)
//   V normal_cdf(V x, V* x_density)   the normal distribution's cumulative function, and x times its density
//
// Comparisons of vectors choose lane by lane. They are written so that NaN stays NaN, and so that a slope is
// taken where torch.clamp has one, at the limits too.

#ifndef INLINE
#error "activation_formulas.inc.h: INLINE has to be defined; see the first lines"
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

// GELU's approximation by tanh: Hendrycks and Gimpel, 2016. (1 + tanh u) / 2 is sigmoid(2 u). Beyond 100 it
// is x or 0 to the last bit, and the cube would overflow.
template <>
struct Formula<Activation::gelu_tanh> {
  template <typename V>
  INLINE static Activated<V> at(V x) {
    const V limit = constant<V>(100), c = x > limit ? limit : x < -limit ? -limit : x;
    const V scale = constant<V>(1.5957691216057307118), square = c * c;  // 2 sqrt(2 / pi)
    const V s = sigmoid(c * scale * (1 + constant<V>(0.044715) * square));
    return {x * s, s * (1 + c * scale * (1 + constant<V>(3 * 0.044715) * square) * (1 - s)), V{}};
  }
};

// relu(x)^2: So et al., "Primer", 2021; in Nemotron-H's experts.
template <>
struct Formula<Activation::relu2> {
  template <typename V>
  INLINE static Activated<V> at(V x) {
    const V kept = x < V{} ? V{} : x;
    return {kept * kept, kept + kept, V{}};
  }
};

// SwiGLU as gpt-oss clamps it: OpenAI, "gpt-oss-120b & gpt-oss-20b Model Card", 2025.
template <>
struct Formula<Activation::swiglu_oai> {
  template <typename V>
  INLINE static Activated<V> at(V gate, V up) {
    const V limit = constant<V>(7), alpha = constant<V>(1.702), g = gate > limit ? limit : gate;
    const V u = up > limit ? limit : up < -limit ? -limit : up;
    const V s = sigmoid(alpha * g);
    const V glu = g * s, slope = s * (1 + alpha * g * (1 - s));
    return {glu * (u + 1), gate <= limit ? slope * (u + 1) : V{}, up <= limit && up >= -limit ? glu : V{}};
  }
};

// GELU's approximation by tanh as a gate: Shazeer, 2020; in Gemma's experts.
template <>
struct Formula<Activation::geglu_tanh> {
  template <typename V>
  INLINE static Activated<V> at(V gate, V up) {
    const Activated<V> gelu = Formula<Activation::gelu_tanh>::at(gate);
    return {gelu.value * up, gelu.slope * up, gelu.value};
  }
};

// The formula of one activation, whether it is gated or not; `up` is not read where it is not.
template <Activation K, typename V>
INLINE Activated<V> activated(V x, V up) {
  if constexpr (kIsGated<K>)
    return Formula<K>::at(x, up);
  else
    return Formula<K>::at(x);
}

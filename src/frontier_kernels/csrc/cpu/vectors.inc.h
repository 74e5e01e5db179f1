// Vectors of one instruction set: loads that widen 16-bit floats, stores that round to them, sums over lanes.
// Part of kernels.inc.h.

#ifndef REAL
#error "vectors.inc.h is a part of kernels.inc.h, which says what has to be defined"
#endif

#if defined(__GNUC__)
typedef REAL V __attribute__((vector_size(sizeof(REAL) * LANES)));
#else
typedef REAL V;
#endif

INLINE REAL widen(REAL x) { return x; }

INLINE REAL widen(BFloat16 x) { return static_cast<REAL>(__builtin_bit_cast(float, uint32_t(x.x) << 16)); }

INLINE REAL widen(Half x) { return static_cast<REAL>(static_cast<float>(x)); }

INLINE V load(const REAL* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

#if defined(__GNUC__)
typedef uint16_t Shorts __attribute__((vector_size(2 * LANES)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef float Floats __attribute__((vector_size(4 * LANES)));

INLINE Words extend(const BFloat16* from) {
#if defined(EXTEND)
  return EXTEND(from);
#else
  Shorts shorts;
  std::memcpy(&shorts, from, sizeof shorts);
  return __builtin_convertvector(shorts, Words);
#endif
}
#endif

INLINE V load(const BFloat16* from) {
#if defined(__GNUC__)
  return __builtin_convertvector(__builtin_bit_cast(Floats, extend(from) << 16), V);
#else
  return widen(*from);
#endif
}

INLINE V load(const Half* from) {
#if defined(WIDEN_HALF)
  return WIDEN_HALF(from);
#else
  REAL lanes[LANES];
  for (int i = 0; i < LANES; ++i) lanes[i] = widen(from[i]);
  return load(lanes);
#endif
}

INLINE void store(REAL* to, V v) { std::memcpy(to, &v, sizeof v); }

INLINE void store(BFloat16* to, V v) {
#if defined(__GNUC__)
  const Floats floats = __builtin_convertvector(v, Floats);
  const Words words = __builtin_bit_cast(Words, floats);
  const Words rounded = (words + 0x7fff + (words >> 16 & 1)) >> 16;
  const Words kept = floats == floats ? rounded : Words{} + 0x7fc0;
#if defined(SHORTEN)
  SHORTEN(to, kept);
#else
  const Shorts shorts = __builtin_convertvector(kept, Shorts);
  std::memcpy(to, &shorts, sizeof shorts);
#endif
#else
  *to = static_cast<float>(v);
#endif
}

INLINE void store(Half* to, V v) {
#if defined(NARROW_HALF)
  NARROW_HALF(to, v);
#else
  REAL lanes[LANES];
  store(lanes, v);
  for (int i = 0; i < LANES; ++i) to[i] = static_cast<float>(lanes[i]);
#endif
}

INLINE V load_some(const REAL* from, int64_t count) {
  if (count >= LANES) return load(from);
  REAL lanes[LANES] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return load(lanes);
}

INLINE void store_some(REAL* to, V v, int64_t count) {
  if (count >= LANES) return store(to, v);
  REAL lanes[LANES];
  store(lanes, v);
  for (int64_t i = 0; i < count; ++i) to[i] = lanes[i];
}

INLINE REAL sum_lanes(V v) {
  REAL lanes[LANES];
  store(lanes, v);
  for (int64_t step = LANES / 2; step; step /= 2)
    for (int64_t i = 0; i < step; ++i) lanes[i] += lanes[i + step];
  return lanes[0];
}

template <typename T>
TARGET void widen_all(const T* from, REAL* to, int64_t count) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
  for (; i < count; ++i) to[i] = widen(from[i]);
}

TARGET void widen(Element element, const void* from, REAL* to, int64_t count) {
  if (element == Element::bfloat16) return widen_all(static_cast<const BFloat16*>(from), to, count);
  widen_all(static_cast<const Half*>(from), to, count);
}

template <typename T>
TARGET void narrow_all(const REAL* from, T* to, int64_t count) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
  for (; i < count; ++i) to[i] = static_cast<T>(static_cast<float>(from[i]));
}

TARGET void narrow(Element element, const REAL* from, void* to, int64_t count) {
  if (element == Element::bfloat16) return narrow_all(from, static_cast<BFloat16*>(to), count);
  narrow_all(from, static_cast<Half*>(to), count);
}

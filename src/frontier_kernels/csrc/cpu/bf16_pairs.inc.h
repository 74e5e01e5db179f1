// Products of two bfloat16 factors on AVX-512-BF16: kernels_avx512.cpp includes this file after
// kernels.inc.h, in the same namespace, with TARGET widened by avx512bf16.
//
// vdpbf16ps adds the products of two neighbours of k to a float at once. So a number of a panel is a pair
// (k, k + 1), an odd last one paired with zero; the blocks, the panels and the tiles are those of gemm.inc.h
// with half as many steps, and a row that runs along k is packed as 32-bit words that are there already.

#ifndef REAL
#error "bf16_pairs.inc.h wants what kernels.inc.h wants, and that file before it"
#endif

constexpr int64_t kPairs = 2 * LANES;  // bfloat16 elements of a vector of pairs

INLINE REAL pair(BFloat16 low, BFloat16 high) {
  return __builtin_bit_cast(float, low.x | uint32_t(high.x) << 16);
}

INLINE V load_pairs(const BFloat16* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

INLINE V load_some_pairs(const BFloat16* from, int64_t count) {
  if (count >= kPairs) return load_pairs(from);
  BFloat16 lanes[kPairs] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return load_pairs(lanes);
}

INLINE V add_products(V sum, V a, V b) {
  return (V)_mm512_dpbf16_ps((__m512)sum, (__m512bh)(__m512)a, (__m512bh)(__m512)b);
}

template <int R>
TARGET void pair_tile(int64_t steps, const REAL* a, const REAL* b, int64_t b_stride, REAL* c,
                      int64_t c_stride, bool add) {
  V sum[R][2] = {};
  for (int64_t p = 0; p < steps; ++p, a += R, b += b_stride) {
    const V b0 = load(b), b1 = load(b + LANES);
    UNROLL for (int i = 0; i < R; ++i) {
      int32_t word;
      std::memcpy(&word, a + i, sizeof word);
      const V x = (V)_mm512_castsi512_ps(_mm512_set1_epi32(word));
      sum[i][0] = add_products(sum[i][0], x, b0);
      sum[i][1] = add_products(sum[i][1], x, b1);
    }
  }
  UNROLL for (int i = 0; i < R; ++i) {
    REAL* row = c + i * c_stride;
    store(row, add ? load(row) + sum[i][0] : sum[i][0]);
    store(row + LANES, add ? load(row + LANES) + sum[i][1] : sum[i][1]);
  }
}

template <size_t... R>
constexpr std::array<Tile, ROWS> pair_tiles_of(std::index_sequence<R...>) {
  return {pair_tile<R + 1>...};
}

// As pack_along and pack_across in gemm.inc.h, two steps of k in a number.
TARGET void pack_pairs_along(const Factor& factor, int64_t first, int64_t count, int64_t k0, int64_t k,
                             int64_t wide, REAL* to) {
  for (int64_t i0 = 0; i0 < wide; i0 += LANES) {
    const int64_t used = std::min<int64_t>(LANES, count - i0), kept = std::min<int64_t>(LANES, wide - i0);
    const BFloat16* from[LANES];
    for (int64_t i = 0; i < used; ++i) from[i] = factor.row<BFloat16>(first + i0 + i) + k0;
    for (int64_t p = 0; 2 * p < k; p += LANES) {
      V rows[LANES];
      UNROLL for (int i = 0; i < LANES; ++i) rows[i] =
          i < used ? load_some_pairs(from[i] + 2 * p, k - 2 * p) : V{};
      transpose(rows);
      const int64_t steps = std::min<int64_t>(LANES, (k + 1) / 2 - p);
      UNROLL for (int i = 0; i < LANES; ++i) {
        if (i < steps) store_some(to + (p + i) * wide + i0, rows[i], i0 == 0 ? LANES : kept);
      }
    }
  }
}

TARGET void pack_pairs_across(const Factor& factor, int64_t first, int64_t count, int64_t k0, int64_t k,
                              int64_t wide, int64_t width, REAL* to) {
  for (int64_t p = 0; p < k; p += 2, to += wide) {
    const BFloat16* low = factor.row<BFloat16>(k0 + p) + first;
    const BFloat16* high = p + 1 < k ? factor.row<BFloat16>(k0 + p + 1) + first : nullptr;
    const int64_t whole = count < LANES && wide == count && first + LANES <= width ? 1 : count / LANES;
    for (int64_t i = 0; i < whole * LANES; i += LANES) {
      const Words words = high ? extend(low + i) | extend(high + i) << 16 : extend(low + i);
      store(to + i, __builtin_bit_cast(V, words));
    }
    for (int64_t i = whole * LANES; i < count; ++i) to[i] = pair(low[i], high ? high[i] : BFloat16(0.0f));
    for (int64_t i = count; i < wide; ++i) to[i] = 0;
  }
}

struct Pair {
  static constexpr int64_t kStep = 2;
  static constexpr std::array<Tile, ROWS> kTilesOf = pair_tiles_of(std::make_index_sequence<ROWS>{});
  static void pack(const Factor& factor, int64_t first, int64_t count, int64_t k0, int64_t k, int64_t wide,
                   int64_t width, REAL* to) {
    if (factor.along_k) return pack_pairs_along(factor, first, count, k0, k, wide, to);
    pack_pairs_across(factor, first, count, k0, k, wide, width, to);
  }
};

// C[R, n] from the rows of A and of B, both along k.
template <int R>
TARGET void pair_dots(const Factor& a, const Factor& b, REAL* c, int64_t n, int64_t k, bool add) {
  const BFloat16* rows[R];
  for (int i = 0; i < R; ++i) rows[i] = a.row<BFloat16>(i);
  const int64_t ahead = rows_ahead(k * sizeof(BFloat16));
  for (int64_t j0 = 0; j0 < n; j0 += kDotColumns) {
    const int64_t columns = std::min(kDotColumns, n - j0);
    const BFloat16 *from[kDotColumns], *next[kDotColumns];
    for (int64_t j = 0; j < kDotColumns; ++j) {
      from[j] = b.row<BFloat16>(j0 + std::min(j, columns - 1));
      next[j] = b.row<BFloat16>(std::min(j0 + ahead + j, n - 1));
    }
    V sum[R][kDotColumns] = {};
    for (int64_t p = 0; p < k; p += kPairs) {
      V x[R];
      UNROLL for (int i = 0; i < R; ++i) x[i] = load_some_pairs(rows[i] + p, k - p);
      UNROLL for (int j = 0; j < kDotColumns; ++j) {
        PREFETCH(next[j] + p);
        const V y = load_some_pairs(from[j] + p, k - p);
        UNROLL for (int i = 0; i < R; ++i) sum[i][j] = add_products(sum[i][j], x[i], y);
      }
    }
    UNROLL for (int64_t i = 0; i < R; ++i) {
      REAL totals[kDotColumns];
      sum_columns(sum[i], totals);
      for (int64_t j = 0; j < columns; ++j)
        c[i * n + j0 + j] = add ? c[i * n + j0 + j] + totals[j] : totals[j];
    }
  }
}

typedef void (*PairDots)(const Factor&, const Factor&, REAL*, int64_t, int64_t, bool);

template <size_t... R>
constexpr std::array<PairDots, sizeof...(R)> pair_dots_of(std::index_sequence<R...>) {
  return {pair_dots<R + 1>...};
}

TARGET void multiply_pairs(const Factor& a, const Factor& b, REAL* c, int64_t m, int64_t n, int64_t k,
                           bool add) {
  if (a.element != Element::bfloat16 || b.element != Element::bfloat16)
    return multiply(a, b, c, m, n, k, add);
  if (m == 0 || n == 0) return;
  if (k == 0 && !add) std::fill_n(c, m * n, REAL(0));
  const bool rows = m <= kDotRows && a.along_k && b.along_k;
  if (!rows && skinny_gemm(a, b, c, m, n, k, add)) return;
  if (!rows) return blocked<Pair>(a, b, c, m, n, k, add);
  static constexpr auto dots = pair_dots_of(std::make_index_sequence<kDotRows>{});
  dots[m - 1](a, b, c, n, k, add);
}

TARGET int64_t packed_size_pairs(Element element, int64_t n, int64_t k) {
  return (element == Element::bfloat16 ? steps_of<Pair>(k) : steps_of<Single>(k)) * whole_panels(n);
}

TARGET void pack_as_pairs(const Factor& b, int64_t n, int64_t k, REAL* to) {
  if (b.element == Element::bfloat16) return pack_all<Pair>(b, n, k, to);
  pack(b, n, k, to);
}

// The kernels of AVX-512 with these products in place of its own.
constexpr KernelTable<REAL> kernel_table_with_pairs(const char* name) {
  KernelTable<REAL> table = kernel_table(name);
  table.pairs = true;
  table.multiply = multiply_pairs;
  table.packed_size = packed_size_pairs;
  table.pack = pack_as_pairs;
  return table;
}

// Dense products of one instruction set. Part of kernels.inc.h.
//
// C = A B is cut into tiles of ROWS x 2 LANES that stay in registers while k runs: 14 x 32 with AVX-512 takes
// 28 of 32 registers and does 28 multiply-adds for 2 loads of B. A block of A, kBlockRows x kBlockK at most,
// is packed into panels [k, rows] and stays in L2; each panel of B, [k, 2 LANES], is packed right before its
// use and stays in L1. Packing gathers rows, transposes them in registers and widens 16-bit floats, so every
// factor is read once for each block and no gathered copy exists. Rows are divided evenly among panels, so no
// tile is nearly empty. Few rows of A (decoding) are dot products with the rows of B, or sums of them:
// nothing is packed and B is read once; a sum over few steps writes C row by row. The scheme is that of Goto
// and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).

#ifndef REAL
#error "gemm.inc.h is a part of kernels.inc.h, which says what has to be defined"
#endif

constexpr int64_t kColumns = 2 * LANES;  // of a tile
constexpr int64_t kBlockK = 256;         // of k that a block packs at once
constexpr int64_t kDotColumns = 4;       // rows of B that a dot product goes along at once
constexpr int64_t kSkinnyK = 6;          // of k, for which C is written row by row

static_assert(kDotColumns == 4, "kDotColumns: sum_columns folds four vectors into one, no other number");

template <int R>
TARGET void tile(int64_t k, const REAL* a, const REAL* b, int64_t b_stride, REAL* c, int64_t c_stride,
                 bool add) {
  V sum[R][2] = {};
  for (int64_t p = 0; p < k; ++p, a += R, b += b_stride) {
    const V b0 = load(b), b1 = load(b + LANES);
    UNROLL for (int i = 0; i < R; ++i) {
      sum[i][0] += b0 * a[i];
      sum[i][1] += b1 * a[i];
    }
  }
  UNROLL for (int i = 0; i < R; ++i) {
    REAL* row = c + i * c_stride;
    store(row, add ? load(row) + sum[i][0] : sum[i][0]);
    store(row + LANES, add ? load(row + LANES) + sum[i][1] : sum[i][1]);
  }
}

typedef void (*Tile)(int64_t, const REAL*, const REAL*, int64_t, REAL*, int64_t, bool);

template <size_t... R>
constexpr std::array<Tile, ROWS> tiles_of(std::index_sequence<R...>) {
  return {tile<R + 1>...};
}
constexpr std::array<Tile, ROWS> kTiles = tiles_of(std::make_index_sequence<ROWS>{});

#if defined(__GNUC__)
// Exchanges the upper half of every pair of rows `STEP` apart with the lower half of its partner, blockwise.
template <int STEP, size_t... J>
INLINE void exchange(V* rows, std::index_sequence<J...>) {
  UNROLL for (int i = 0; i < LANES; ++i) {
    if (i & STEP) continue;
    const V low = rows[i], high = rows[i + STEP];
    rows[i] = __builtin_shufflevector(low, high, (J & STEP ? J - STEP + LANES : J)...);
    rows[i + STEP] = __builtin_shufflevector(low, high, (J & STEP ? J + LANES : J + STEP)...);
  }
}

// low = what low and high hold, each pair of lanes `STEP` apart added up, low's in the places of the first.
template <int STEP, size_t... J>
INLINE void fold(V& low, V high, std::index_sequence<J...>) {
  low = __builtin_shufflevector(low, high, (J & STEP ? J - STEP + LANES : J)...) +
        __builtin_shufflevector(low, high, (J & STEP ? J + LANES : J + STEP)...);
}
#endif

// to[j] = sum of the lanes of sums[j], j < kDotColumns. Halves of two vectors are added at a time, so that
// four sums take as many steps as one.
INLINE void sum_columns(V* sums, REAL* to) {
#if defined(__GNUC__)
  if constexpr (LANES >= kDotColumns) {
    constexpr auto lanes = std::make_index_sequence<LANES>{};
    fold<LANES / 2>(sums[0], sums[2], lanes);
    fold<LANES / 2>(sums[1], sums[3], lanes);
    fold<LANES / 4>(sums[0], sums[1], lanes);
    if constexpr (LANES >= 8) fold<LANES / 8>(sums[0], sums[0], lanes);
    if constexpr (LANES >= 16) fold<LANES / 16>(sums[0], sums[0], lanes);
    REAL all[LANES];
    store(all, sums[0]);
    for (int j = 0; j < kDotColumns; ++j) to[j] = all[j * (LANES / kDotColumns)];
    return;
  }
#endif
  for (int j = 0; j < kDotColumns; ++j) to[j] = sum_lanes(sums[j]);
}

INLINE void transpose(V* rows) {
#if defined(__GNUC__)
  constexpr auto lanes = std::make_index_sequence<LANES>{};
  if constexpr (LANES > 8) exchange<8>(rows, lanes);
  if constexpr (LANES > 4) exchange<4>(rows, lanes);
  if constexpr (LANES > 2) exchange<2>(rows, lanes);
  if constexpr (LANES > 1) exchange<1>(rows, lanes);
#endif
}

// to[p, i] = factor row first + i, column k0 + p; `wide` columns, zero from `count` on. Writes in ascending
// order and up to a vector beyond the end.
template <typename T>
TARGET void pack_along(const Factor& factor, int64_t first, int64_t count, int64_t k0, int64_t k,
                       int64_t wide, REAL* to) {
  for (int64_t i0 = 0; i0 < wide; i0 += LANES) {
    const int64_t used = std::min<int64_t>(LANES, count - i0), kept = std::min<int64_t>(LANES, wide - i0);
    const T* from[LANES];
    for (int64_t i = 0; i < used; ++i) from[i] = factor.row<T>(first + i0 + i) + k0;
    int64_t p = 0;
    for (; p + LANES <= k; p += LANES) {
      V rows[LANES];
      UNROLL for (int i = 0; i < LANES; ++i) rows[i] = i < used ? load(from[i] + p) : V{};
      transpose(rows);
      UNROLL for (int i = 0; i < LANES; ++i)
          store_some(to + (p + i) * wide + i0, rows[i], i0 == 0 ? LANES : kept);
    }
    for (; p < k; ++p)
      for (int64_t i = 0; i < kept; ++i) to[p * wide + i0 + i] = i < used ? widen(from[i][p]) : REAL(0);
  }
}

// to[p, i] = factor row k0 + p, column first + i, of `width` columns; otherwise as above.
template <typename T>
TARGET void pack_across(const Factor& factor, int64_t first, int64_t count, int64_t k0, int64_t k,
                        int64_t wide, int64_t width, REAL* to) {
  for (int64_t p = 0; p < k; ++p, to += wide) {
    const T* from = factor.row<T>(k0 + p) + first;
    int64_t i = 0;
    if (count < LANES && wide == count && first + LANES <= width) {
      store(to, load(from));
      continue;
    }
    for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
    for (; i < count; ++i) to[i] = widen(from[i]);
    for (; i < wide; ++i) to[i] = 0;
  }
}

template <typename T>
TARGET void pack_as(const Factor& factor, int64_t first, int64_t count, int64_t k0, int64_t k, int64_t wide,
                    int64_t width, REAL* to) {
  if (factor.along_k) return pack_along<T>(factor, first, count, k0, k, wide, to);
  pack_across<T>(factor, first, count, k0, k, wide, width, to);
}

TARGET void pack_panel(const Factor& factor, int64_t first, int64_t count, int64_t k0, int64_t k,
                       int64_t wide, int64_t width, REAL* to) {
  switch (factor.element) {
    case Element::real:
      return pack_as<REAL>(factor, first, count, k0, k, wide, width, to);
    case Element::bfloat16:
      return pack_as<BFloat16>(factor, first, count, k0, k, wide, width, to);
    case Element::float16:
      return pack_as<Half>(factor, first, count, k0, k, wide, width, to);
  }
}

// How many rows of B, of so many bytes, a product asks for before it takes them: 8 kB, or it would wait.
inline int64_t rows_ahead(int64_t bytes) {
  return kDotColumns * std::max<int64_t>(1, 8192 / (kDotColumns * std::max<int64_t>(1, bytes)));
}

// C[R, n] from R contiguous rows of A and the rows of B.
template <int R, typename T>
TARGET void skinny_dots(const REAL* a, const Factor& b, REAL* c, int64_t n, int64_t k, bool add) {
  const int64_t ahead = rows_ahead(k * sizeof(T));
  for (int64_t j0 = 0; j0 < n; j0 += kDotColumns) {
    const int64_t columns = std::min(kDotColumns, n - j0);
    const T *from[kDotColumns], *next[kDotColumns];
    for (int64_t j = 0; j < kDotColumns; ++j) {
      from[j] = b.row<T>(j0 + std::min(j, columns - 1));
      next[j] = b.row<T>(std::min(j0 + ahead + j, n - 1));
    }
    V sum[R][kDotColumns] = {};
    REAL totals[kDotColumns];
    int64_t p = 0;
    for (; p + LANES <= k; p += LANES) {
      UNROLL for (int j = 0; j < kDotColumns; ++j) {
        const V x = load(from[j] + p);
        PREFETCH(next[j] + p);
        UNROLL for (int i = 0; i < R; ++i) sum[i][j] += x * load(a + i * k + p);
      }
    }
    UNROLL for (int64_t i = 0; i < R; ++i) {
      sum_columns(sum[i], totals);
      for (int64_t j = 0; j < columns; ++j) {
        for (int64_t q = p; q < k; ++q) totals[j] += a[i * k + q] * widen(from[j][q]);
        c[i * n + j0 + j] = add ? c[i * n + j0 + j] + totals[j] : totals[j];
      }
    }
  }
}

// C[R, n] from R contiguous rows of A and B across k, which is read once, 4 vectors of each row at a time.
template <int R, typename T>
TARGET void skinny_sums(const REAL* a, const Factor& b, REAL* c, int64_t n, int64_t k, bool add) {
  constexpr int64_t kVectors = 4, kWidth = kVectors * LANES, kDistance = 8;  // rows that are asked for ahead
  int64_t j = 0;
  for (; j + kWidth <= n; j += kWidth) {
    V sum[R][kVectors] = {};
    for (int64_t p = 0; p < k; ++p) {
      const T* row = b.row<T>(p) + j;
      const T* later = b.row<T>(std::min(p + kDistance, k - 1)) + j;
      for (size_t i = 0; i < kWidth; i += 64 / sizeof(T)) PREFETCH(later + i);
      UNROLL for (int u = 0; u < kVectors; ++u) {
        const V x = load(row + u * LANES);
        UNROLL for (int i = 0; i < R; ++i) sum[i][u] += x * a[i * k + p];
      }
    }
    UNROLL for (int i = 0; i < R; ++i) {
      UNROLL for (int u = 0; u < kVectors; ++u) {
        REAL* to = c + i * n + j + u * LANES;
        store(to, add ? load(to) + sum[i][u] : sum[i][u]);
      }
    }
  }
  for (; j < n; ++j)
    for (int i = 0; i < R; ++i) {
      REAL sum = 0;
      for (int64_t p = 0; p < k; ++p) sum += a[i * k + p] * widen(b.row<T>(p)[j]);
      c[i * n + j] = add ? c[i * n + j] + sum : sum;
    }
}

typedef void (*Rows)(const REAL*, const Factor&, REAL*, int64_t, int64_t, bool);

template <typename T, size_t... R>
constexpr std::array<Rows, sizeof...(R)> skinny_dots_of(std::index_sequence<R...>) {
  return {skinny_dots<R + 1, T>...};
}

template <typename T, size_t... R>
constexpr std::array<Rows, sizeof...(R)> skinny_sums_of(std::index_sequence<R...>) {
  return {skinny_sums<R + 1, T>...};
}

template <typename T>
TARGET void skinny_m_as(const REAL* a, const Factor& b, REAL* c, int64_t m, int64_t n, int64_t k, bool add) {
  static constexpr auto along = skinny_dots_of<T>(std::make_index_sequence<kDotRows>{});
  static constexpr auto across = skinny_sums_of<T>(std::make_index_sequence<kDotRows>{});
  (b.along_k ? along : across)[m - 1](a, b, c, n, k, add);
}

// `count` rows of a factor as sums, one after the other.
TARGET void take_rows(const Factor& factor, int64_t first, int64_t count, int64_t width, REAL* to) {
  for (int64_t i = 0; i < count; ++i) {
    if (factor.element == Element::real)
      std::copy_n(factor.row<REAL>(first + i), width, to + i * width);
    else
      widen(factor.element, factor.row<BFloat16>(first + i), to + i * width,
            width);  // either half is as wide
  }
}

TARGET void skinny_m(const Factor& a, const Factor& b, REAL* c, int64_t m, int64_t n, int64_t k, bool add) {
  static thread_local Scratch<REAL> scratch;
  REAL* rows = scratch.get(m * k);
  take_rows(a, 0, m, k, rows);
  if (b.element == Element::real) return skinny_m_as<REAL>(rows, b, c, m, n, k, add);
  if (b.element == Element::bfloat16) return skinny_m_as<BFloat16>(rows, b, c, m, n, k, add);
  skinny_m_as<Half>(rows, b, c, m, n, k, add);
}

// C[m, n] from few steps of k, both factors across it: C is what costs, and is written row by row.
TARGET void skinny_k(const Factor& a, const Factor& b, REAL* c, int64_t m, int64_t n, int64_t k, bool add) {
  static thread_local Scratch<REAL> scratch;
  REAL *left = scratch.get(k * (m + n)), *right = left + k * m;
  take_rows(a, 0, k, m, left);
  take_rows(b, 0, k, n, right);
  for (int64_t i = 0; i < m; ++i, c += n)
    for (int64_t j = 0; j < n; j += LANES) {
      const int64_t count = n - j;
      V sum = add ? load_some(c + j, count) : V{};
      for (int64_t p = 0; p < k; ++p) sum += left[p * m + i] * load_some(right + p * n + j, count);
      store_some(c + j, sum, count);
    }
}

// Asks for what packing `count` rows or columns from `first` on will read: `piece` of `pieces` even parts of
// it.
INLINE void prefetch(const Factor& factor, int64_t first, int64_t count, int64_t k0, int64_t k, int64_t piece,
                     int64_t pieces) {
  const int64_t bytes = factor.element == Element::real ? sizeof(REAL) : sizeof(BFloat16);
  const int64_t rows = factor.along_k ? count : k, width = (factor.along_k ? k : count) * bytes;
  const int64_t row = factor.along_k ? first : k0, column = (factor.along_k ? k0 : first) * bytes;
  for (int64_t r = piece * rows / pieces; r < (piece + 1) * rows / pieces; ++r) {
    const char* from = static_cast<const char*>(factor.data) + factor.place(row + r) * bytes + column;
    for (int64_t byte = 0; byte < width; byte += 64) FETCH_AHEAD(from + byte);
  }
}

// How blocked() packs and multiplies: one k in each number of a panel.
struct Single {
  static constexpr int64_t kStep = 1;
  static constexpr const std::array<Tile, ROWS>& kTilesOf = kTiles;
  static void pack(const Factor& factor, int64_t first, int64_t count, int64_t k0, int64_t k, int64_t wide,
                   int64_t width, REAL* to) {
    return pack_panel(factor, first, count, k0, k, wide, width, to);
  }
};

// A range of k that is packed and multiplied at once: `depth` elements of a panel from `first` on, which are
// the `taken` values of k from `k0` on.
struct Block {
  int64_t first, depth, k0, taken;
};

template <typename P>
INLINE int64_t steps_of(int64_t k) {
  return (k + P::kStep - 1) / P::kStep;
}

template <typename P>
INLINE int64_t blocks_of(int64_t k) {
  return (steps_of<P>(k) + kBlockK - 1) / kBlockK;
}

template <typename P>
INLINE Block block_of(int64_t k, int64_t index) {
  const int64_t steps = steps_of<P>(k), blocks = blocks_of<P>(k);
  const int64_t first = index * steps / blocks, depth = (index + 1) * steps / blocks - first;
  return {first, depth, first * P::kStep, std::min(depth * P::kStep, k - first * P::kStep)};
}

INLINE int64_t whole_panels(int64_t n) { return (n + kColumns - 1) / kColumns * kColumns; }

// All panels of B: those of the first block from left to right, then those of the next.
template <typename P>
TARGET void pack_all(const Factor& b, int64_t n, int64_t k, REAL* to) {
  for (int64_t index = 0; index < blocks_of<P>(k); ++index) {
    const Block block = block_of<P>(k, index);
    for (int64_t j0 = 0; j0 < n; j0 += kColumns, to += block.depth * kColumns)
      P::pack(b, j0, std::min(kColumns, n - j0), block.k0, block.taken, kColumns, n, to);
  }
}

TARGET int64_t packed_size(Element, int64_t n, int64_t k) { return steps_of<Single>(k) * whole_panels(n); }

TARGET void pack(const Factor& b, int64_t n, int64_t k, REAL* to) { pack_all<Single>(b, n, k, to); }

// Where a product packs a block of A and a panel of B.
struct Panels {
  REAL *left, *right;
  explicit Panels(Arena<REAL>& arena)
      : left(arena.take(kBlockRows * kBlockK + LANES)),  // pack_along writes a vector beyond the end
        right(arena.take(kBlockK * kColumns)) {}
};

// C = A B in blocks; P packs STEP values of k into one number of a panel and has the tiles for such panels.
template <typename P>
TARGET void blocked(const Factor& a, const Factor& b, REAL* c, int64_t m, int64_t n, int64_t k, bool add) {
  static thread_local Scratch<REAL> scratch;
  const Panels own = workspace<Panels>(scratch);
  REAL *left = own.left, *right = own.right;
  // B can be read where it lies if its rows run across k; that pays when few tiles use them.
  const bool in_place =
      P::kStep == 1 && !b.along_k && b.element == Element::real && !b.slots && m <= 2 * ROWS;
  const REAL* panels = static_cast<const REAL*>(b.panels);
  for (int64_t i0 = 0; i0 < m; i0 += kBlockRows) {
    const int64_t rows = std::min(kBlockRows, m - i0), count = (rows + ROWS - 1) / ROWS;
    for (int64_t index = 0; index < blocks_of<P>(k); ++index) {
      const Block block = block_of<P>(k, index);
      const bool on_top = add || index > 0;
      for (int64_t q = 0; q < count; ++q) {
        const int64_t begin = q * rows / count, end = (q + 1) * rows / count;
        P::pack(a, i0 + begin, end - begin, block.k0, block.taken, end - begin, m,
                left + begin * block.depth);
      }
      for (int64_t j0 = 0; j0 < n; j0 += kColumns) {
        const int64_t columns = std::min(kColumns, n - j0);
        const bool direct = !panels && in_place && columns == kColumns;
        const REAL* panel = right;
        if (panels)
          panel = panels + block.first * whole_panels(n) + j0 * block.depth;
        else if (direct)
          panel = b.row<REAL>(block.k0) + j0;
        else
          P::pack(b, j0, columns, block.k0, block.taken, kColumns, n, right);
        // Panels lie one after the other, which the processor sees by itself: asking for them slows it down.
        const int64_t coming = panels ? 0 : std::min(kColumns, n - j0 - kColumns);
        for (int64_t q = 0; q < count; ++q) {
          if (coming > 0) prefetch(b, j0 + kColumns, coming, block.k0, block.taken, q, count);
          const int64_t begin = q * rows / count, height = (q + 1) * rows / count - begin;
          REAL* to = c + (i0 + begin) * n + j0;
          const REAL* from = left + begin * block.depth;
          const Tile run = P::kTilesOf[height - 1];
          if (columns == kColumns) {
            run(block.depth, from, panel, direct ? b.stride : kColumns, to, n, on_top);
            continue;
          }
          REAL edge[ROWS * kColumns];
          run(block.depth, from, panel, kColumns, edge, kColumns, false);
          for (int64_t i = 0; i < height; ++i)
            for (int64_t j = 0; j < columns; ++j)
              to[i * n + j] = on_top ? to[i * n + j] + edge[i * kColumns + j] : edge[i * kColumns + j];
        }
      }
    }
  }
}

// The products of few rows or few steps, where packing would cost more than it saves; false for any other.
TARGET bool skinny_gemm(const Factor& a, const Factor& b, REAL* c, int64_t m, int64_t n, int64_t k,
                        bool add) {
  if (m <= kDotRows && a.along_k && (b.along_k || n >= 4 * LANES)) {
    skinny_m(a, b, c, m, n, k, add);
    return true;
  }
  if (k <= kSkinnyK && !a.along_k && !b.along_k) {
    skinny_k(a, b, c, m, n, k, add);
    return true;
  }
  return false;
}

TARGET void multiply(const Factor& a, const Factor& b, REAL* c, int64_t m, int64_t n, int64_t k, bool add) {
  if (m == 0 || n == 0) return;
  if (k == 0 && !add) std::fill_n(c, m * n, REAL(0));
  if (skinny_gemm(a, b, c, m, n, k, add)) return;
  blocked<Single>(a, b, c, m, n, k, add);
}

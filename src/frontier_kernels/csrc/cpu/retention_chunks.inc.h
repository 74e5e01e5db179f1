// Retention of one head for one instruction set, chunk by chunk. Part of kernels.inc.h.
//
// retention.cpp has the formulas. Of a chunk of n steps, scores are kept with the key's step first, P^T [n,
// n], because a tile of queries then reads its factors side by side: tiles are those of gemm.inc.h, ROWS x 2
// LANES sums in registers, but nothing is packed. K and V are read as rows, Q, and dO backward, lie once more
// transposed. The decay and the scale are applied to a tile of scores before it is stored; a tile of outputs
// starts from q S, factors, and goes on over the earlier steps, and its last ROWS steps, those on the
// diagonal, are a triangle of their own: what is later is not multiplied by zero but never touched, so a step
// cannot see a later one even if that is infinite. Rows are padded with zeros to whole vectors.
//
// A chunk of 64 steps of 64 features works on 100 kB, which stay in L2 while the sequence is walked, and does
// 1.6 MFLOP forward, 3.9 backward, the states once more among them.

#ifndef REAL
#error "retention_chunks.inc.h is a part of kernels.inc.h, which says what has to be defined"
#endif

struct Product {  // a times b over `steps`, b(p, :) at b + p b_step
  int64_t steps;
  const REAL* a;
  int64_t a_step;
  const REAL* b;
  int64_t b_step;
};

// sum[i] += a(i, p) b(p), with a(i, p) at a + p a_step + i.
template <int R, int N>
INLINE void add_across(V (&sum)[R][N], const Product& m) {
  const REAL *a = m.a, *b = m.b;
  for (int64_t p = 0; p < m.steps; ++p, a += m.a_step, b += m.b_step) {
    V x[N];
    UNROLL for (int u = 0; u < N; ++u) x[u] = load(b + u * LANES);
    UNROLL for (int i = 0; i < R; ++i) { UNROLL for (int u = 0; u < N; ++u) sum[i][u] += x[u] * a[i]; }
  }
}

// The same with a(i, p) at a + i a_step + p. Three rows share a pointer, or there would be too few registers.
template <int R, int N>
INLINE void add_along(V (&sum)[R][N], const Product& m) {
  const REAL *a[(R + 2) / 3], *b = m.b;
  const int64_t step = m.a_step;
  UNROLL for (int i = 0; i < R; i += 3) a[i / 3] = m.a + (i + 1) * step;
  for (int64_t p = 0; p < m.steps; ++p, b += m.b_step) {
    V x[N];
    UNROLL for (int u = 0; u < N; ++u) x[u] = load(b + u * LANES);
    UNROLL for (int i = 0; i < R; ++i) {
      const REAL* row = a[i / 3];
      const REAL factor = i % 3 == 0 ? row[-step] : i % 3 == 1 ? row[0] : row[step];
      UNROLL for (int u = 0; u < N; ++u) sum[i][u] += x[u] * factor;
    }
    UNROLL for (int i = 0; i < R; i += 3)++ a[i / 3];
  }
}

// Steps p < R of the diagonal: those rows that are at p or later (or, with `earlier`, at p or before) take
// it.
template <int R, int N, bool EARLIER>
INLINE void add_triangle(V (&sum)[R][N], const Product& m) {
  UNROLL for (int p = 0; p < R; ++p) {
    V x[N];
    UNROLL for (int u = 0; u < N; ++u) x[u] = load(m.b + p * m.b_step + u * LANES);
    UNROLL for (int i = 0; i < R; ++i) {
      if (EARLIER ? i > p : i < p) continue;
      UNROLL for (int u = 0; u < N; ++u) sum[i][u] += x[u] * m.a[p * m.a_step + i];
    }
  }
}

template <int R, int N>
INLINE void store_tile(const V (&sum)[R][N], REAL* c, int64_t c_step) {
  UNROLL for (int i = 0; i < R; ++i) {
    UNROLL for (int u = 0; u < N; ++u) store(c + i * c_step + u * LANES, sum[i][u]);
  }
}

// Arguments of a tile; each kind uses some of them.
struct TileWork {
  Product product, triangle;
  const REAL* rows;   // a factor for each row
  const REAL* decay;  // factors of row i at decay + i decay_step
  int64_t decay_step;
  int64_t first_row;  // of this tile in the result
  REAL scale;
  const REAL* start;  // what the sums start from, or null
  int64_t start_step;
  REAL* c;
  int64_t c_step;
};

// Every kind has: tile(work), and where in its operands row i and column j of the result begin.
struct Scores {  // c = scale decay (a b), or without a decay a b
  static void shift(TileWork& w, int64_t i, int64_t j) {
    w.product.a += i * w.product.a_step, w.product.b += j;
    if (w.decay) w.decay += i * w.decay_step + j;
  }
  template <int R, int N>
  TARGET static void tile(const TileWork& w) {
    V sum[R][N] = {};
    add_along(sum, w.product);
    if (w.decay) {
      UNROLL for (int i = 0; i < R; ++i) {
        UNROLL for (int u = 0; u < N; ++u) sum[i][u] *=
            w.scale * load(w.decay + i * w.decay_step + u * LANES);
      }
    }
    store_tile(sum, w.c, w.c_step);
  }
};

struct DecayedRows {  // c = rows (a b)
  static void shift(TileWork& w, int64_t i, int64_t j) {
    w.product.a += i * w.product.a_step, w.product.b += j, w.rows += i;
  }
  template <int R, int N>
  TARGET static void tile(const TileWork& w) {
    V sum[R][N] = {};
    add_along(sum, w.product);
    UNROLL for (int i = 0; i < R; ++i) { UNROLL for (int u = 0; u < N; ++u) sum[i][u] *= w.rows[i]; }
    store_tile(sum, w.c, w.c_step);
  }
};

// c = c + (scale c + a b), where 1 + scale is the decay. The product is summed by itself: added term by term
// to a state that remembers long, a small one would be rounded as often as there are steps; and a decay close
// to one, rounded to a number, would be off by as much every time.
struct DecayedState {
  static void shift(TileWork& w, int64_t i, int64_t j) { w.product.a += i, w.product.b += j; }
  template <int R, int N>
  TARGET static void tile(const TileWork& w) {
    V sum[R][N] = {};
    add_across(sum, w.product);
    UNROLL for (int i = 0; i < R; ++i) {
      UNROLL for (int u = 0; u < N; ++u) {
        REAL* c = w.c + i * w.c_step + u * LANES;
        const V before = load(c);
        store(c, before + (w.scale * before + sum[i][u]));
      }
    }
  }
};

// c = start, or rows (a b) where there is none, plus the causal product of the triangle's factors: row i
// takes the steps up to its own, or with EARLIER those from its own on.
template <bool EARLIER>
struct Causal {
  // `product` is read state, `triangle` the causal one from its first step to its last.
  static void shift(TileWork& w, int64_t i, int64_t j) {
    w.product.a += i, w.product.b += j, w.triangle.b += j;
    if (w.rows) w.rows += i;
    if (w.start) w.start += i * w.start_step + j;
    w.first_row = i;  // the step that the diagonal begins with
  }
  template <int R, int N>
  TARGET static void tile(const TileWork& w) {
    V sum[R][N] = {};
    if (w.start) {
      UNROLL for (int i = 0; i < R; ++i) {
        UNROLL for (int u = 0; u < N; ++u) sum[i][u] = load(w.start + i * w.start_step + u * LANES);
      }
    } else {
      add_across(sum, w.product);
      UNROLL for (int i = 0; i < R; ++i) { UNROLL for (int u = 0; u < N; ++u) sum[i][u] *= w.rows[i]; }
    }
    Product m = w.triangle;
    const int64_t first = w.first_row, whole = m.steps;
    m.a += first;
    const Product diagonal{R, m.a + first * m.a_step, m.a_step, m.b + first * m.b_step, m.b_step};
    if (EARLIER) {
      const int64_t after = first + R;
      m = {whole - after, m.a + after * m.a_step, m.a_step, m.b + after * m.b_step, m.b_step};
      add_triangle<R, N, true>(sum, diagonal);
      add_across(sum, m);
    } else {
      m.steps = first;
      add_across(sum, m);
      add_triangle<R, N, false>(sum, diagonal);
    }
    store_tile(sum, w.c, w.c_step);
  }
};

typedef void (*TileOf)(const TileWork&);

template <typename Kind, int N, size_t... R>
constexpr std::array<TileOf, ROWS> tiles_of_kind(std::index_sequence<R...>) {
  return {Kind::template tile<R + 1, N>...};
}

// Rows of the next chunk, asked for a few at a time while tiles run: a head's rows lie far apart in memory,
// where the processor does not guess what comes next.
class Prefetcher {
 public:
  static constexpr int64_t kStreams = 4;  // q, k, v and the output's gradient; more are not asked for

  // `rows` rows of `bytes`, `stride` bytes apart.
  void add(const void* from, int64_t rows, int64_t bytes, int64_t stride) {
    if (from && count_ < kStreams) streams_[count_++] = {static_cast<const char*>(from), rows, bytes, stride};
  }

  void fetch(int64_t rows) {
    while (rows > 0 && current_ < count_) {
      Stream& s = streams_[current_];
      for (; rows > 0 && s.rows > 0; --rows, --s.rows, s.at += s.stride)
        for (int64_t byte = 0; byte < s.bytes; byte += 64) FETCH_AHEAD(s.at + byte);
      if (s.rows == 0) ++current_;
    }
  }

 private:
  struct Stream {
    const char* at;
    int64_t rows, bytes, stride;
  };
  Stream streams_[kStreams];
  int64_t count_ = 0, current_ = 0;
};

// All tiles of a result of `rows` rows and `width` columns, which are whole vectors; with `from_diagonal`
// those alone that reach to the diagonal or to its right. Row by row it asks for as many rows of what
// comes next.
template <typename Kind>
TARGET void cover(const TileWork& work, int64_t rows, int64_t width, bool from_diagonal = false,
                  Prefetcher* ahead = nullptr) {
  static constexpr auto wide = tiles_of_kind<Kind, 2>(std::make_index_sequence<ROWS>{});
  static constexpr auto narrow = tiles_of_kind<Kind, 1>(std::make_index_sequence<ROWS>{});
  const int64_t panels = (rows + ROWS - 1) / ROWS;
  for (int64_t q = 0; q < panels; ++q) {
    const int64_t i = q * rows / panels, height = (q + 1) * rows / panels - i;
    for (int64_t j = from_diagonal ? i / LANES * LANES : 0; j < width;) {
      const bool two = j + 2 * LANES <= width;
      TileWork w = work;
      Kind::shift(w, i, j);
      w.c += i * w.c_step + j;
      (two ? wide : narrow)[height - 1](w);
      j += two ? 2 * LANES : LANES;
    }
    if (ahead) ahead->fetch(height);
  }
}

inline int64_t padded(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

// Rows `first` to `first + count` of one head, as sums, padded with zeros to `pitch`.
TARGET void gather(const Sequence<REAL>& s, const void* from, int64_t first, int64_t count, int64_t width,
                   int64_t pitch, REAL* to) {
  for (int64_t i = 0; i < count; ++i, to += pitch) {
    const int64_t place = (first + i) * s.heads * width;
    if (s.element == Element::real)
      std::copy_n(static_cast<const REAL*>(from) + place, width, to);
    else
      widen(s.element, static_cast<const BFloat16*>(from) + place, to, width);  // either half is as wide
    std::fill(to + width, to + pitch, REAL(0));
  }
}

// Asks for rows `first` to `first + count` of one head.
inline void prefetch(const Sequence<REAL>& s, const void* from, int64_t first, int64_t count, int64_t width,
                     Prefetcher& ahead) {
  if (!from || count <= 0) return;
  const int64_t bytes = s.element == Element::real ? sizeof(REAL) : sizeof(BFloat16);
  ahead.add(static_cast<const char*>(from) + first * s.heads * width * bytes, count, width * bytes,
            s.heads * width * bytes);
}

TARGET void scatter(const Sequence<REAL>& s, const REAL* from, int64_t first, int64_t count, int64_t width,
                    int64_t pitch, void* to) {
  for (int64_t i = 0; i < count; ++i, from += pitch) {
    const int64_t place = (first + i) * s.heads * width;
    if (s.element == Element::real)
      std::copy_n(from, width, static_cast<REAL*>(to) + place);
    else
      narrow(s.element, from, static_cast<BFloat16*>(to) + place, width);
  }
}

// to[c, r] = from[r, c]; rows of `to` are padded with zeros from `rows` on.
TARGET void transpose_into(const REAL* from, int64_t from_pitch, int64_t rows, int64_t columns, REAL* to,
                           int64_t to_pitch, bool from_diagonal = false) {
  for (int64_t r = 0; r < rows; r += LANES)
    for (int64_t c = from_diagonal ? r : 0; c < columns; c += LANES) {
      V block[LANES];
      UNROLL for (int i = 0; i < LANES; ++i) block[i] =
          r + i < rows ? load(from + (r + i) * from_pitch + c) : V{};
      transpose(block);
      const int64_t used = std::min<int64_t>(LANES, columns - c);
      UNROLL for (int i = 0; i < LANES; ++i) {
        if (i < used) store(to + (c + i) * to_pitch + r, block[i]);
      }
    }
}

TARGET void scale_rows(const REAL* from, const REAL* factors, int64_t rows, int64_t pitch, REAL* to) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t d = 0; d < pitch; d += LANES)
      store(to + i * pitch + d, factors[i] * load(from + i * pitch + d));
}

// Sum of x_i y_i in double, in eight interleaved parts.
TARGET double dot(const REAL* x, const REAL* y, int64_t count) {
  double parts[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int u = 0; u < 8; ++u) parts[u] += static_cast<double>(x[i + u]) * static_cast<double>(y[i + u]);
  for (; i < count; ++i) parts[i % 8] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

// The decay factors of a chunk of n steps. With a_i the sum of log decays through step i: row(j)[i] = exp(a_i
// - a_j) for i >= j and 0 below, since_start[i] = exp(a_i), to_end[i] = exp(a_last - a_i). A decay that does
// not change needs n exponentials instead of n^2 / 2, once for all chunks: row(j) is row(0) moved by j.
struct DecayFactors {
  static constexpr int64_t kMargin = 2 * LANES + ROWS;  // a tile on the diagonal reaches so far below it
  bool constant;
  int64_t filled = -1, pitch;
  REAL *since_start, *to_end, *read, *table;
  REAL expm1_decay = 0;  // exp(a_last) - 1

  DecayFactors(Arena<REAL>& arena, const Sequence<REAL>& s, int64_t longest)
      : constant(s.decay_stride == 0), pitch(padded(longest)) {
    since_start = arena.take(pitch), to_end = arena.take(pitch), read = arena.take(pitch);
    const int64_t rows = constant ? 1 : longest, size = kMargin + rows * pitch + kMargin;
    table = arena.take(size);
    if (!table) return;
    std::fill_n(table, size, REAL(0));
    table += kMargin;
  }

  int64_t step() const { return constant ? -1 : pitch; }

  TARGET void fill(const Sequence<REAL>& s, int64_t first, int64_t n, double* a) {
    if (constant && filled == n) return;
    double sum = 0;
    for (int64_t i = 0; i < n; ++i)
      a[i] = sum += std::max(static_cast<double>(s.log_decay[(first + i) * s.decay_stride]), kForgotten);
    filled = n;
    for (int64_t i = 0; i < n; ++i) {
      since_start[i] = static_cast<REAL>(a[i]);
      to_end[i] = static_cast<REAL>(constant ? a[0] * static_cast<double>(n - 1 - i) : a[n - 1] - a[i]);
    }
    exponentials(since_start, since_start, n);
    exponentials(to_end, to_end, n);
    expm1_decay = static_cast<REAL>(std::expm1(a[n - 1]));
    for (int64_t i = 0; i < n; ++i) read[i] = s.scale * since_start[i];
    if (constant) {
      for (int64_t i = 0; i < n; ++i) table[i] = to_end[n - 1 - i];
      return;
    }
    for (int64_t j = 0; j < n; ++j) {
      REAL* row = table + j * pitch;
      for (int64_t i = j; i < n; ++i) row[i] = static_cast<REAL>(a[i] - a[j]);
      exponentials(row + j, row + j, n - j);
    }
  }
};

// S <- exp(a_last) S + K^T (r V), with S [K, V padded].
TARGET void advance(REAL* state, const REAL* k, const REAL* v, REAL* decayed, const DecayFactors& factors,
                    int64_t n, int64_t key, int64_t key_pitch, int64_t value_pitch, Prefetcher* ahead) {
  scale_rows(v, factors.to_end, n, value_pitch, decayed);
  TileWork w{};
  w.product = {n, k, key_pitch, decayed, value_pitch};
  w.scale = factors.expm1_decay;
  w.c = state, w.c_step = value_pitch;
  cover<DecayedState>(w, key, value_pitch, false, ahead);
}

// P^T [n, n] = scale decay (K Q^T), or without decays K Q^T, in the steps that a query sees.
TARGET void score(const REAL* k, int64_t key_pitch, int64_t key, const REAL* q_across,
                  const DecayFactors* factors, REAL scale, int64_t n, int64_t pitch, REAL* scores,
                  Prefetcher* ahead) {
  TileWork w{};
  w.product = {key, k, key_pitch, q_across, pitch};
  w.decay = factors ? factors->table : nullptr;
  w.decay_step = factors ? factors->step() : 0;
  w.scale = scale;
  w.c = scores, w.c_step = pitch;
  cover<Scores>(w, n, padded(n), true, ahead);
}

inline int64_t longest_chunk(const Sequence<REAL>& s) { return std::min(s.steps, s.chunk); }

inline void load_state(const REAL* from, int64_t key, int64_t value, int64_t pitch, REAL* to) {
  for (int64_t d = 0; d < key; ++d, to += pitch) {
    if (from)
      std::copy_n(from + d * value, value, to);
    else
      std::fill_n(to, value, REAL(0));
    std::fill(to + value, to + pitch, REAL(0));
  }
}

inline void save_state(const REAL* from, int64_t key, int64_t value, int64_t pitch, REAL* to) {
  for (int64_t d = 0; d < key; ++d) std::copy_n(from + d * pitch, value, to + d * value);
}

// What the forward pass of one head works on. Pitches are lengths of rows, whole vectors.
struct ForwardWorkspace {
  int64_t pitch, key_pitch, value_pitch;
  DecayFactors factors;
  REAL *state, *q, *k, *q_across, *v, *decayed, *out, *scores;
  double* a;

  ForwardWorkspace(Arena<REAL>& arena, const Sequence<REAL>& s)
      : pitch(padded(longest_chunk(s))),
        key_pitch(padded(s.key)),
        value_pitch(padded(s.value)),
        factors(arena, s, longest_chunk(s)) {
    const int64_t c = longest_chunk(s);
    state = arena.take(s.key * value_pitch);
    q = arena.take(c * key_pitch), k = arena.take(c * key_pitch);
    q_across = arena.take(key_pitch * pitch);
    v = arena.take(c * value_pitch), decayed = arena.take(c * value_pitch), out = arena.take(c * value_pitch);
    scores = arena.take(c * pitch + LANES);
    a = arena.take_doubles(c);
  }
};

TARGET void retain_forward(const Sequence<REAL>& s, const REAL* initial, void* o, REAL* state,
                           Scratch<REAL>& memory) {
  ForwardWorkspace m = workspace<ForwardWorkspace>(memory, s);
  const int64_t pitch = m.pitch, kp = m.key_pitch, vp = m.value_pitch;
  const bool direct = s.element == Element::real && s.value == vp;
  load_state(initial, s.key, s.value, vp, m.state);
  for (int64_t first = 0; first < s.steps; first += s.chunk) {
    const int64_t n = std::min(s.chunk, s.steps - first);
    m.factors.fill(s, first, n, m.a);
    const int64_t next = first + n, coming = std::min(s.chunk, s.steps - next);
    Prefetcher ahead;
    prefetch(s, s.q, next, coming, s.key, ahead);
    prefetch(s, s.k, next, coming, s.key, ahead);
    prefetch(s, s.v, next, coming, s.value, ahead);
    gather(s, s.k, first, n, s.key, kp, m.k);
    gather(s, s.v, first, n, s.value, vp, m.v);
    if (s.element == Element::real && s.key == kp) {
      const int64_t step = s.heads * s.key;
      transpose_into(static_cast<const REAL*>(s.q) + first * step, step, n, s.key, m.q_across, pitch);
    } else {
      gather(s, s.q, first, n, s.key, kp, m.q);
      transpose_into(m.q, kp, n, s.key, m.q_across, pitch);
    }
    score(m.k, kp, s.key, m.q_across, &m.factors, s.scale, n, pitch, m.scores, &ahead);
    TileWork w{};
    w.product = {s.key, m.q_across, pitch, m.state, vp};
    w.rows = m.factors.read;
    w.triangle = {n, m.scores, pitch, m.v, vp};
    w.c = direct ? static_cast<REAL*>(o) + first * s.heads * s.value : m.out;
    w.c_step = direct ? s.heads * s.value : vp;
    cover<Causal<false>>(w, n, vp, false, &ahead);
    if (!direct) scatter(s, m.out, first, n, s.value, vp, o);
    advance(m.state, m.k, m.v, m.decayed, m.factors, n, s.key, kp, vp, &ahead);
  }
  save_state(m.state, s.key, s.value, vp, state);
}

// The decay's gradient of a chunk: each pair of steps j < i adds score times its gradient to g_{j+1} ... g_i,
// that is, to da_i, and takes it from da_j, both in double, so that what cancels leaves only rounding there.
TARGET void add_pairs(const REAL* scores, const REAL* dscores, int64_t n, int64_t pitch, double* da) {
  for (int64_t j = 0; j + 1 < n; ++j) {
    const REAL *p = scores + j * pitch, *d = dscores + j * pitch;
    for (int64_t i = j + 1; i < n; ++i) da[i] += static_cast<double>(p[i]) * static_cast<double>(d[i]);
    da[j] -= dot(p + j + 1, d + j + 1, n - j - 1);
  }
}

// What the backward pass of one head works on. A leading d is a gradient; `across` means transposed, features
// by steps, and `by_query` scores with the query's step first.
struct BackwardWorkspace {
  int64_t pitch, key_pitch, value_pitch, chunks;
  DecayFactors factors;
  REAL *states, *dstate, *state_across, *dstate_across;
  REAL *q, *k, *dq, *dk, *v, *dv, *dout, *decayed, *q_across, *dout_across;
  REAL *scores, *dscores, *scores_by_query, *dscores_by_query;
  double *a, *da;

  BackwardWorkspace(Arena<REAL>& arena, const Sequence<REAL>& s)
      : pitch(padded(longest_chunk(s))),
        key_pitch(padded(s.key)),
        value_pitch(padded(s.value)),
        chunks(s.steps ? (s.steps + s.chunk - 1) / s.chunk : 0),
        factors(arena, s, longest_chunk(s)) {
    const int64_t c = longest_chunk(s), size = s.key * value_pitch, square = c * pitch + LANES;
    states = arena.take(std::max<int64_t>(chunks, 1) * size), dstate = arena.take(size);
    state_across = arena.take(value_pitch * key_pitch), dstate_across = arena.take(value_pitch * key_pitch);
    q = arena.take(c * key_pitch), k = arena.take(c * key_pitch);
    dq = arena.take(c * key_pitch), dk = arena.take(c * key_pitch);
    v = arena.take(c * value_pitch), dv = arena.take(c * value_pitch);
    dout = arena.take(c * value_pitch), decayed = arena.take(c * value_pitch);
    q_across = arena.take(key_pitch * pitch), dout_across = arena.take(value_pitch * pitch);
    scores = arena.take(square), dscores = arena.take(square);
    scores_by_query = arena.take(square), dscores_by_query = arena.take(square);
    a = arena.take_doubles(c), da = arena.take_doubles(c);
  }
};

// The backward pass of one head: the states before each chunk once more, then from the last chunk to the
// first the gradients of q, k and v, that of the state, and that of the decay.
class BackwardPass {
 public:
  BackwardPass(const Sequence<REAL>& s, const Gradients<REAL>& g, Scratch<REAL>& memory)
      : s_(s),
        g_(g),
        m_(workspace<BackwardWorkspace>(memory, s)),
        pitch_(m_.pitch),
        kp_(m_.key_pitch),
        vp_(m_.value_pitch),
        size_(s.key * m_.value_pitch),
        decay_(g.decay || g.decay_sum) {}

  TARGET void run(const REAL* initial) {
    rebuild_states(initial);
    load_state(g_.grad_state, s_.key, s_.value, vp_, m_.dstate);
    for (int64_t b = m_.chunks - 1; b >= 0; --b) {
      const int64_t first = b * s_.chunk, n = std::min(s_.chunk, s_.steps - first);
      Prefetcher ahead;
      load_chunk(first, n, m_.states + b * size_, ahead);
      score_chunk(n, ahead);
      query_gradient(first, n, ahead);
      key_gradient(first, n, ahead);
      value_gradient(first, n, ahead);
      state_gradient(n, m_.states + b * size_, ahead);
      if (decay_) decay_gradient(first, n);
    }
    if (g_.initial) save_state(m_.dstate, s_.key, s_.value, vp_, g_.initial);
  }

 private:
  TARGET void rebuild_states(const REAL* initial) {
    load_state(initial, s_.key, s_.value, vp_, m_.states);
    for (int64_t b = 0; b + 1 < m_.chunks; ++b) {
      REAL* next = m_.states + (b + 1) * size_;
      m_.factors.fill(s_, b * s_.chunk, s_.chunk, m_.a);
      gather(s_, s_.k, b * s_.chunk, s_.chunk, s_.key, kp_, m_.k);
      gather(s_, s_.v, b * s_.chunk, s_.chunk, s_.value, vp_, m_.v);
      std::copy_n(next - size_, size_, next);
      Prefetcher ahead;
      prefetch(s_, s_.k, (b + 1) * s_.chunk, s_.chunk, s_.key, ahead);
      prefetch(s_, s_.v, (b + 1) * s_.chunk, s_.chunk, s_.value, ahead);
      advance(next, m_.k, m_.v, m_.decayed, m_.factors, s_.chunk, s_.key, kp_, vp_, &ahead);
    }
  }

  // The rows of a chunk and its state, as they are and transposed; asks for the rows of the one before it.
  TARGET void load_chunk(int64_t first, int64_t n, const REAL* state, Prefetcher& ahead) {
    if (first > 0) {
      prefetch(s_, s_.q, first - s_.chunk, s_.chunk, s_.key, ahead);
      prefetch(s_, s_.k, first - s_.chunk, s_.chunk, s_.key, ahead);
      prefetch(s_, s_.v, first - s_.chunk, s_.chunk, s_.value, ahead);
      prefetch(s_, g_.grad, first - s_.chunk, s_.chunk, s_.value, ahead);
    }
    m_.factors.fill(s_, first, n, m_.a);
    gather(s_, s_.q, first, n, s_.key, kp_, m_.q);
    gather(s_, s_.k, first, n, s_.key, kp_, m_.k);
    gather(s_, s_.v, first, n, s_.value, vp_, m_.v);
    if (g_.grad)
      gather(s_, g_.grad, first, n, s_.value, vp_, m_.dout);
    else
      std::fill_n(m_.dout, n * vp_, REAL(0));
    std::fill_n(m_.da, n, 0.0);
    transpose_into(m_.q, kp_, n, s_.key, m_.q_across, pitch_);
    transpose_into(m_.dout, vp_, n, s_.value, m_.dout_across, pitch_);
    transpose_into(state, vp_, s_.key, s_.value, m_.state_across, kp_);
    transpose_into(m_.dstate, vp_, s_.key, s_.value, m_.dstate_across, kp_);
  }

  // scale decay (Q K^T) and scale decay (dO V^T), with the key's step first and with the query's.
  TARGET void score_chunk(int64_t n, Prefetcher& ahead) {
    score(m_.k, kp_, s_.key, m_.q_across, &m_.factors, s_.scale, n, pitch_, m_.scores, &ahead);
    score(m_.v, vp_, s_.value, m_.dout_across, nullptr, REAL(1), n, pitch_, m_.dscores, &ahead);
    if (decay_) add_pairs(m_.scores, m_.dscores, n, pitch_, m_.da);
    for (int64_t j = 0; j < n; ++j) {
      const REAL* decay = m_.factors.table + j * m_.factors.step();
      REAL* row = m_.dscores + j * pitch_;
      for (int64_t i = j / LANES * LANES; i < n; i += LANES)
        store(row + i, s_.scale * load(decay + i) * load(row + i));
    }
    transpose_into(m_.scores, pitch_, n, n, m_.scores_by_query, pitch_, true);
    transpose_into(m_.dscores, pitch_, n, n, m_.dscores_by_query, pitch_, true);
  }

  // dQ = P K + scale e (dO S^T)
  TARGET void query_gradient(int64_t first, int64_t n, Prefetcher& ahead) {
    TileWork w{};
    w.product = {s_.value, m_.dout, vp_, m_.state_across, kp_}, w.rows = m_.factors.read;
    w.c = m_.dq, w.c_step = kp_;
    cover<DecayedRows>(w, n, kp_, false, &ahead);
    if (decay_)
      for (int64_t i = 0; i < n; ++i) m_.da[i] += dot(m_.dq + i * kp_, m_.q + i * kp_, s_.key);
    add_causal<false>({n, m_.dscores, pitch_, m_.k, kp_}, m_.dq, first, n, s_.key, kp_, g_.q, ahead);
  }

  // dK = P^T Q + r (V dS^T)
  TARGET void key_gradient(int64_t first, int64_t n, Prefetcher& ahead) {
    TileWork w{};
    w.product = {s_.value, m_.v, vp_, m_.dstate_across, kp_}, w.rows = m_.factors.to_end;
    w.c = m_.dk, w.c_step = kp_;
    cover<DecayedRows>(w, n, kp_, false, &ahead);
    if (decay_)
      // The last step's own k v^T reaches the state undecayed.
      for (int64_t j = 0; j + 1 < n; ++j) {
        const double pair = dot(m_.dk + j * kp_, m_.k + j * kp_, s_.key);
        m_.da[j] -= pair;
        m_.da[n - 1] += pair;
      }
    add_causal<true>({n, m_.dscores_by_query, pitch_, m_.q, kp_}, m_.dk, first, n, s_.key, kp_, g_.k, ahead);
  }

  // dV = (Q K^T . D)^T dO + r (K dS)
  TARGET void value_gradient(int64_t first, int64_t n, Prefetcher& ahead) {
    TileWork w{};
    w.product = {s_.key, m_.k, kp_, m_.dstate, vp_}, w.rows = m_.factors.to_end;
    w.c = m_.dv, w.c_step = vp_;
    cover<DecayedRows>(w, n, vp_, false, &ahead);
    add_causal<true>({n, m_.scores_by_query, pitch_, m_.dout, vp_}, m_.dv, first, n, s_.value, vp_, g_.v,
                     ahead);
  }

  // Adds the causal product to `rows` and writes them where the gradient goes.
  template <bool EARLIER>
  TARGET void add_causal(const Product& triangle, REAL* rows, int64_t first, int64_t n, int64_t width,
                         int64_t pitch, void* to, Prefetcher& ahead) {
    const bool direct = s_.element == Element::real && width == pitch;
    TileWork w{};
    w.triangle = triangle, w.start = rows, w.start_step = pitch;
    w.c = direct ? static_cast<REAL*>(to) + first * s_.heads * width : rows;
    w.c_step = direct ? s_.heads * width : pitch;
    cover<Causal<EARLIER>>(w, n, pitch, false, &ahead);
    if (!direct) scatter(s_, rows, first, n, width, pitch, to);
  }

  // dS <- exp(a_last) dS + (scale e Q)^T dO
  TARGET void state_gradient(int64_t n, const REAL* state, Prefetcher& ahead) {
    const REAL kept = 1 + m_.factors.expm1_decay;
    if (decay_) m_.da[n - 1] += static_cast<double>(kept) * dot(state, m_.dstate, size_);
    scale_rows(m_.dout, m_.factors.read, n, vp_, m_.decayed);
    TileWork w{};
    w.product = {n, m_.q, kp_, m_.decayed, vp_}, w.scale = m_.factors.expm1_decay, w.c = m_.dstate,
    w.c_step = vp_;
    cover<DecayedState>(w, s_.key, vp_, false, &ahead);
  }

  // A step's log decay is in the sums of all later steps.
  TARGET void decay_gradient(int64_t first, int64_t n) {
    double sum = 0;
    for (int64_t i = n - 1; i >= 0; --i) {
      sum += m_.da[i];
      if (g_.decay) g_.decay[(first + i) * s_.heads] = static_cast<REAL>(sum);
      if (g_.decay_sum) *g_.decay_sum += sum;
    }
  }

  const Sequence<REAL>& s_;
  const Gradients<REAL>& g_;
  BackwardWorkspace m_;
  const int64_t pitch_, kp_, vp_, size_;
  const bool decay_;
};

TARGET void retain_backward(const Sequence<REAL>& s, const REAL* initial, const Gradients<REAL>& g,
                            Scratch<REAL>& memory) {
  BackwardPass(s, g, memory).run(initial);
}

// One pass over the state: each of its rows factors, by `expm1_decay` of what it was, takes in k_d v, and is
// added to the output while it is at hand.
TARGET void retain_step(const REAL* q, const REAL* k, const REAL* v, REAL* state, REAL* o, REAL expm1_decay,
                        REAL scale, int64_t key, int64_t value) {
  int64_t j = 0;
  for (; j + 4 * LANES <= value; j += 4 * LANES) {
    V taken[4], sum[4] = {};
    UNROLL for (int u = 0; u < 4; ++u) taken[u] = load(v + j + u * LANES);
    for (int64_t d = 0; d < key; ++d) {
      const REAL write = k[d], read = scale * q[d];
      REAL* row = state + d * value + j;
      UNROLL for (int u = 0; u < 4; ++u) {
        const V before = load(row + u * LANES), x = before + (expm1_decay * before + write * taken[u]);
        store(row + u * LANES, x);
        sum[u] += read * x;
      }
    }
    UNROLL for (int u = 0; u < 4; ++u) store(o + j + u * LANES, sum[u]);
  }
  for (; j < value; j += LANES) {
    const int64_t count = value - j;
    const V taken = load_some(v + j, count);
    V sum = {};
    for (int64_t d = 0; d < key; ++d) {
      const V before = load_some(state + d * value + j, count);
      const V x = before + (expm1_decay * before + k[d] * taken);
      store_some(state + d * value + j, x, count);
      sum += scale * q[d] * x;
    }
    store_some(o + j, sum, count);
  }
}

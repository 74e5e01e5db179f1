// What an attention head does, in numbers. The Python twin, where every definition is explained, is
// attention_pattern_analyzer/patterns.py; tests/golden/attention_patterns.json holds both to the same.

export const KINDS = [
  "previous",
  "induction",
  "first",
  "self",
  "duplicate",
  "delimiter",
  "local",
  "uniform",
] as const;
export type KindName = (typeof KINDS)[number];
export const METRICS = [...KINDS, "entropy", "distance", "sink"] as const;
export type Metric = (typeof METRICS)[number];
export const REACH = 4;
export const THRESHOLD = 0.4;
export const EVEN = 0.9;

const MARKS = ["##", "\u0120", "\u2581"];
const SPECIAL = new Set(["\n", "\u010a", "<0x0A>", "[SEP]", "[CLS]", "[PAD]", "<s>", "</s>", "<pad>"]);

/** A token without its tokenizer's mark. */
export function plain(token: string): string {
  const mark = MARKS.find((one) => token.startsWith(one) && token.length > one.length) ?? "";
  return token.slice(mark.length);
}

/** Whether a token only separates: punctuation, a line end, or a special one such as `[SEP]`. */
export function isDelimiter(token: string): boolean {
  const text = plain(token);
  return SPECIAL.has(text) || (text.startsWith("<|") && text.endsWith("|>")) || /^\p{P}+$/u.test(text);
}

/** One head's weights, [T · S]: a row for each token that looks. */
export type Weights = ArrayLike<number>;

/** The columns of a kind in one row; what lies ahead is left out where `causal`. */
export function targets(kind: KindName, tokens: readonly string[], row: number, causal: boolean): number[] {
  const last = causal ? row : tokens.length - 1;
  const found: number[] = [];
  for (let s = 0; s <= last; s++) if (isTarget(kind, tokens, row, s)) found.push(s);
  return found;
}

function isTarget(kind: KindName, tokens: readonly string[], t: number, s: number): boolean {
  switch (kind) {
    case "previous":
      return s === t - 1;
    case "self":
      return s === t;
    case "first":
      return s === 0 && t > 0;
    case "duplicate":
      return s !== t && tokens[s] === tokens[t];
    case "induction":
      return s > 0 && s !== t && s - 1 !== t && tokens[s - 1] === tokens[t];
    case "delimiter":
      return s > 0 && isDelimiter(tokens[s]);
    case "local":
      return s !== t && Math.abs(s - t) <= REACH;
    default:
      throw new Error(`kind is ${kind}, wanted one of ${KINDS.slice(0, -1).join(", ")}`);
  }
}

function entropyOf(weights: Weights, start: number, size: number): number {
  let nats = 0;
  for (let s = start; s < start + size; s++) if (weights[s] > 0) nats -= weights[s] * Math.log(weights[s]);
  return nats;
}

/** The cells of every kind by row, which many heads of one text share. */
export interface Cells {
  tokens: readonly string[];
  /** Length of the other text in cross-attention. */
  keys: number | null;
  causal: boolean;
  kinds: { rows: number[]; columns: number[][]; base: number }[];
}

export function cellsOf(tokens: readonly string[], causal: boolean, keys: number | null = null): Cells {
  const kinds =
    keys !== null
      ? []
      : KINDS.slice(0, -1).map((kind) => {
          const rows: number[] = [];
          const columns: number[][] = [];
          let base = 0;
          tokens.forEach((_, t) => {
            const found = targets(kind, tokens, t, causal);
            const seen = causal ? t + 1 : tokens.length;
            if (!found.length || found.length === seen) return;
            rows.push(t);
            columns.push(found);
            base += found.length / seen;
          });
          return { rows, columns, base: base / rows.length };
        });
  return { tokens, keys, causal, kinds };
}

/** All metrics of one head, in the order of METRICS; NaN where the text has no such cell. */
export function measure(weights: Weights, cells: Cells): Float64Array {
  const length = cells.tokens.length;
  const size = cells.keys ?? length;
  const found = new Float64Array(METRICS.length).fill(NaN);
  cells.kinds.forEach(({ rows, columns, base }, k) => {
    if (!rows.length) return;
    let mass = 0;
    rows.forEach((t, i) => {
      for (const s of columns[i]) mass += weights[t * size + s];
    });
    found[k] = (mass / rows.length - base) / (1 - base);
  });
  let shares = 0;
  let able = 0;
  let nats = 0;
  let away = 0;
  let sink = 0;
  for (let t = 0; t < length; t++) {
    const row = entropyOf(weights, t * size, size);
    nats += row;
    const seen = cells.causal ? t + 1 : size;
    if (seen > 1) {
      shares += row / Math.log(seen);
      able++;
    }
    for (let s = 0; s < size; s++) away += weights[t * size + s] * Math.abs(t - s);
    if (t > 0 || cells.keys !== null) sink += weights[t * size];
  }
  if (able) found[KINDS.indexOf("uniform")] = shares / able;
  found[METRICS.indexOf("entropy")] = nats / length;
  if (cells.keys === null) found[METRICS.indexOf("distance")] = away / length;
  const looked = cells.keys === null ? length - 1 : length;
  if (looked) found[METRICS.indexOf("sink")] = sink / looked;
  return found;
}

/** What a head is by its metrics. */
export function kindOf(metrics: ArrayLike<number>): KindName | "mixed" {
  let best = -1;
  for (let k = 0; k < 6; k++)
    if (metrics[k] >= THRESHOLD && (best < 0 || metrics[k] > metrics[best])) best = k;
  if (best >= 0) return KINDS[best];
  if (metrics[KINDS.indexOf("local")] >= THRESHOLD) return "local";
  return metrics[KINDS.indexOf("uniform")] >= EVEN ? "uniform" : "mixed";
}

/**
 * Attention followed through the layers, [T · T] after each; `layers` holds each layer's heads, [H · T · T].
 */
export function rollout(
  layers: readonly Weights[],
  heads: number,
  length: number,
  residual = 0.5,
): Float64Array[] {
  let now = new Float64Array(length * length);
  for (let t = 0; t < length; t++) now[t * length + t] = 1;
  return layers.map((weights) => {
    const next = new Float64Array(length * length);
    for (let t = 0; t < length; t++) {
      for (let s = 0; s < length; s++) {
        let mean = 0;
        for (let head = 0; head < heads; head++) mean += weights[(head * length + t) * length + s];
        if (!mean) continue;
        mean *= (1 - residual) / heads;
        for (let u = 0; u < length; u++) next[t * length + u] += mean * now[s * length + u];
      }
      for (let u = 0; u < length; u++) next[t * length + u] += residual * now[t * length + u];
    }
    now = next;
    return next;
  });
}

/**
 * Attention times the length of what it brings, each row
 * again of sum 1; a row that brings nothing stays zero.
 */
export function valueWeighted(
  weights: Weights,
  norms: ArrayLike<number>,
  length: number,
  size: number,
): Float64Array {
  const found = new Float64Array(length * size);
  for (let t = 0; t < length; t++) {
    let sum = 0;
    for (let s = 0; s < size; s++) sum += found[t * size + s] = weights[t * size + s] * norms[s];
    if (sum > 0) for (let s = 0; s < size; s++) found[t * size + s] /= sum;
  }
  return found;
}

// Which tokens each token sees: eight patterns of attention, without DOM. The Python twin, where the settings are
// explained, is frontier_widgets/attention_masks.py; tests/golden/attention_masks.json holds both to the same numbers.

export const KINDS = ["full", "causal", "window", "dilated", "global", "random", "strided", "sinks"] as const;
export type Kind = (typeof KINDS)[number];

export interface Pattern {
  kind: Kind;
  causal: boolean;
  window: number;
  dilation: number;
  anchors: number;
  random: number;
  seed: number;
  stride: number;
  sinks: number;
}

export const PATTERN: Pattern = { kind: "causal", causal: true, window: 8, dilation: 2, anchors: 1, random: 2, seed: 0, stride: 8, sinks: 4 };

/** No token sees a later one. */
export const forward = ({ kind, causal }: Pattern): boolean => kind === "causal" || kind === "sinks" || (kind !== "full" && causal);

/** Steps of the dilation that a window goes back, and on if it is not causal. */
export const reachOf = (pattern: Pattern): number => (forward(pattern) ? pattern.window - 1 : pattern.window >> 1);

/** Uniform numbers in [0, 1) of a row, the same in both languages: Tommy Ettinger's mulberry32. */
export function draws(seed: number, row: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) + Math.imul(row, 0x85ebca6b)) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** 1 where the token of a row sees that of a column, [n · n]. */
export function visible(pattern: Pattern, n: number): Uint8Array {
  const { kind, dilation, anchors, stride, sinks } = pattern;
  const ahead = !forward(pattern);
  const reach = reachOf(pattern);
  const mask = new Uint8Array(n * n);
  for (let query = 0; query < n; query++) {
    const row = mask.subarray(query * n, (query + 1) * n);
    const end = ahead ? n : query + 1;
    for (let key = 0; key < end; key++) {
      const far = Math.abs(query - key);
      let sees = true;
      if (kind === "window") sees = far <= reach;
      else if (kind === "dilated") sees = far <= reach * dilation && far % dilation === 0;
      else if (kind === "global" || kind === "random") sees = far <= reach || key < anchors || query < anchors;
      else if (kind === "strided") sees = far < stride || far % stride === 0;
      else if (kind === "sinks") sees = far <= reach || key < sinks;
      row[key] = sees ? 1 : 0;
    }
    if (kind === "random") {
      const hidden: number[] = [];
      for (let key = 0; key < end; key++) if (!row[key]) hidden.push(key);
      const number = draws(pattern.seed, query);
      for (let left = Math.min(pattern.random, hidden.length); left > 0; left--) row[hidden.splice(Math.floor(number() * hidden.length), 1)[0]] = 1;
    }
  }
  return mask;
}

/** Visible tokens of a row, without drawing it; not for "strided". */
function inRow(pattern: Pattern, n: number, row: number): number {
  const { kind, dilation } = pattern;
  const ahead = !forward(pattern);
  const reach = reachOf(pattern);
  const last = ahead ? n - 1 : row;
  if (kind === "full" || kind === "causal") return last + 1;
  if (kind === "dilated" && dilation > 1) {
    return Math.min(reach, Math.floor(row / dilation)) + 1 + (ahead ? Math.min(reach, Math.floor((n - 1 - row) / dilation)) : 0);
  }
  const anchored = kind === "global" || kind === "random";
  if (anchored && row < pattern.anchors) return last + 1;
  const anchors = anchored ? pattern.anchors : kind === "sinks" ? pattern.sinks : 0;
  const first = Math.max(0, row - reach);
  const found = Math.min(last, row + reach) - first + 1 + Math.min(anchors, first);
  return kind === "random" ? found + Math.min(pattern.random, last + 1 - found) : found;
}

/** Cells of the mask that are visible, in time that does not grow with n. */
export function count(pattern: Pattern, n: number): number {
  const { kind, stride } = pattern;
  if (kind === "full") return n * n;
  if (kind === "causal") return (n * (n + 1)) / 2;
  if (kind === "strided") {
    const s = Math.min(stride, n);
    const turns = Math.floor(n / stride);
    const seen = (s * (s + 1)) / 2 + (n - s) * s + (stride * turns * (turns - 1)) / 2 + turns * (n - stride * turns);
    return forward(pattern) ? seen : 2 * seen - n;
  }
  // Rows differ near both ends only: beyond the window, the anchors and what random tokens need to be free.
  const edge = reachOf(pattern) * pattern.dilation + Math.max(pattern.anchors, pattern.sinks) + pattern.random + 1;
  let sum = 0;
  if (n <= 2 * edge + 1) {
    for (let row = 0; row < n; row++) sum += inRow(pattern, n, row);
    return sum;
  }
  for (let row = 0; row < edge; row++) sum += inRow(pattern, n, row) + inRow(pattern, n, n - 1 - row);
  return sum + (n - 2 * edge) * inRow(pattern, n, edge);
}

/** Tokens that the last token sees, itself among them. */
export const inLastRow = (pattern: Pattern, n: number): number =>
  pattern.kind === "strided" ? Math.min(pattern.stride, n) + Math.floor((n - 1) / pattern.stride) : inRow(pattern, n, n - 1);

/** The tokens that each token sees, as lists: what the searches below walk along. */
function neighbours(mask: Uint8Array, n: number): Int32Array[] {
  return Array.from({ length: n }, (_, query) => {
    const found: number[] = [];
    for (let key = 0; key < n; key++) if (mask[query * n + key]) found.push(key);
    return Int32Array.from(found);
  });
}

/** By how many layers a token sees each token: 0 for itself, -1 for never. */
function layersFrom(seen: Int32Array[], from: number): Int32Array {
  const found = new Int32Array(seen.length).fill(-1);
  found[from] = 0;
  let front = [from];
  for (let layer = 1; front.length; layer++) {
    const next: number[] = [];
    for (const query of front) for (const key of seen[query]) if (found[key] < 0) {
      found[key] = layer;
      next.push(key);
    }
    front = next;
  }
  return found;
}

/** By how many layers the last token sees each token: 0 for itself, -1 for never, [n]. */
export function layersToSee(mask: Uint8Array, n: number): Int32Array {
  return layersFrom(neighbours(mask, n), n - 1);
}

/** Fewest layers from one token to another over all pairs that can: their mean, and the share of such pairs. */
export function meanPathLength(mask: Uint8Array, n: number): { mean: number; share: number } {
  const seen = neighbours(mask, n);
  let pairs = 0;
  let sum = 0;
  for (let from = 0; from < n; from++) for (const layers of layersFrom(seen, from)) if (layers > 0) {
    pairs++;
    sum += layers;
  }
  return { mean: pairs ? sum / pairs : 0, share: pairs / Math.max(1, n * (n - 1)) };
}

// Which tokens each token sees: eight patterns of attention, without DOM. The Python twin, where the settings
// are explained, is long_context_strategies/masks.py; both are held to tests/golden/attention_masks.json.
import { draws } from "../base/draws";

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

export const PATTERN: Pattern = {
  kind: "causal",
  causal: true,
  window: 8,
  dilation: 2,
  anchors: 1,
  random: 2,
  seed: 0,
  stride: 8,
  sinks: 4,
};

/** No token sees a later one. */
export const forward = ({ kind, causal }: Pattern): boolean =>
  kind === "causal" || kind === "sinks" || (kind !== "full" && causal);

/** Steps of the dilation that a window goes back, and on if it is not causal. */
export const reachOf = (pattern: Pattern): number =>
  forward(pattern) ? pattern.window - 1 : pattern.window >> 1;

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
      else if (kind === "global" || kind === "random")
        sees = far <= reach || key < anchors || query < anchors;
      else if (kind === "strided") sees = far < stride || far % stride === 0;
      else if (kind === "sinks") sees = far <= reach || key < sinks;
      row[key] = sees ? 1 : 0;
    }
    if (kind === "random") {
      const hidden: number[] = [];
      for (let key = 0; key < end; key++) if (!row[key]) hidden.push(key);
      const number = draws(pattern.seed, query);
      for (let left = Math.min(pattern.random, hidden.length); left > 0; left--)
        row[hidden.splice(Math.floor(number() * hidden.length), 1)[0]] = 1;
    }
  }
  return mask;
}

/** Sum of min(row, most) over the first rows. */
function ramp(most: number, rows: number): number {
  const rising = Math.max(0, Math.min(rows, most + 1));
  return (rising * (rising - 1)) / 2 + Math.max(0, rows - rising) * most;
}

/** Cells of the mask that are visible, without going through the rows. */
export function count(pattern: Pattern, n: number): number {
  const { kind, stride, dilation, random } = pattern;
  const one = forward(pattern);
  const sides = one ? 1 : 2;
  const reach = reachOf(pattern);
  if (kind === "full") return n * n;
  if (kind === "causal") return (n * (n + 1)) / 2;
  if (kind === "strided") {
    const turns = Math.floor(n / stride);
    const strided = (stride * turns * (turns - 1)) / 2 + turns * (n - stride * turns);
    return sides * (n + ramp(stride - 1, n) + strided) - (sides - 1) * n;
  }
  if (kind === "dilated") {
    const turns = Math.floor(n / dilation);
    return n + sides * (dilation * ramp(reach, turns) + (n - dilation * turns) * Math.min(reach, turns));
  }
  const near = n + sides * ramp(reach, n);
  if (kind === "window") return near;
  if (kind === "sinks") return near + ramp(pattern.sinks, n - reach);
  // Rows of the anchors see all; the others see the anchors that lie before their window.
  const a = Math.min(pattern.anchors, n);
  const allOfThem = one ? (a * (a + 1)) / 2 : a * n;
  const own = a + ramp(reach, a) + (one ? 0 : ramp(reach, n) - ramp(reach, n - a));
  let seen = allOfThem + near - own + ramp(a, n - reach) - ramp(a, a - reach);
  if (kind === "global") return seen;
  if (one) return seen + ramp(random, n - reach - a);
  if (n - 1 - 2 * reach - a >= random) return seen + (n - a) * random;
  for (let row = a; row < n; row++)
    seen += Math.min(random, Math.max(0, row - reach - a) + Math.max(0, n - 1 - row - reach));
  return seen;
}

/** Tokens that the last token sees, itself among them. */
export function inLastRow(pattern: Pattern, n: number): number {
  const { kind, anchors } = pattern;
  const reach = reachOf(pattern);
  const last = n - 1;
  if (kind === "full" || kind === "causal") return n;
  if (kind === "strided") return Math.min(pattern.stride, n) + Math.floor(last / pattern.stride);
  if (kind === "dilated") return 1 + Math.min(reach, Math.floor(last / pattern.dilation));
  const near = 1 + Math.min(reach, last);
  const before = Math.max(0, last - reach);
  if (kind === "window") return near;
  if (kind === "sinks") return near + Math.min(pattern.sinks, before);
  if (last < anchors) return n;
  const seen = near + Math.min(anchors, before);
  return kind === "random" ? seen + Math.min(pattern.random, n - seen) : seen;
}

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
    for (const query of front)
      for (const key of seen[query])
        if (found[key] < 0) {
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

/**
 * Fewest layers from one token to another over all pairs that can: their mean, and the share of such pairs.
 */
export function meanPathLength(mask: Uint8Array, n: number): { mean: number; share: number } {
  const seen = neighbours(mask, n);
  let pairs = 0;
  let sum = 0;
  for (let from = 0; from < n; from++)
    for (const layers of layersFrom(seen, from))
      if (layers > 0) {
        pairs++;
        sum += layers;
      }
  return { mean: pairs ? sum / pairs : 0, share: pairs / Math.max(1, n * (n - 1)) };
}

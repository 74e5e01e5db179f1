// Rotary positions and their extensions, and ALiBi, without DOM. The Python twin, where the settings are
// explained and cited, is long_context_strategies/rotary.py; tests/golden/rotary.json holds both to the same.

export const METHODS = [
  "default",
  "linear",
  "ntk",
  "dynamic",
  "by_parts",
  "yarn",
  "llama3",
  "longrope",
] as const;
export type Method = (typeof METHODS)[number];

export interface Rotary {
  method: Method;
  headDim: number;
  base: number;
  trained: number;
  factor: number;
  /** Of the sequence that is read, for "dynamic" and "longrope"; null is factor · trained. */
  length: number | null;
  betaFast: number;
  betaSlow: number;
  low: number;
  high: number;
  /** Of "longrope", one for each pair. */
  factors: readonly number[];
}

export const ROTARY: Rotary = {
  method: "default",
  headDim: 64,
  base: 10000,
  trained: 2048,
  factor: 1,
  length: null,
  betaFast: 32,
  betaSlow: 1,
  low: 1,
  high: 4,
  factors: [],
};

const clip = (value: number): number => Math.min(1, Math.max(0, value));

/** The base that stretches the slowest pair by the whole factor and leaves the fastest alone. */
export const ntkBase = (base: number, factor: number, headDim: number): number =>
  base * factor ** (headDim / (headDim - 2));

/** Pairs between which "by_parts" and "yarn" go from untouched to stretched by the whole factor. */
export function ramp({ headDim, base, trained, betaFast, betaSlow }: Rotary): [number, number] {
  const pair = (turns: number): number =>
    (headDim * Math.log(trained / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const first = Math.max(Math.floor(pair(betaFast)), 0);
  const last = Math.min(Math.ceil(pair(betaSlow)), headDim - 1);
  return [first, last === first ? last + 0.001 : last];
}

/** Radians a token by which each pair turns, [headDim / 2]. */
export function frequencies(rotary: Rotary): Float64Array {
  const { method, headDim, base, trained, factor, low, high } = rotary;
  const read = rotary.length ?? factor * trained;
  const grown = method === "dynamic" ? factor * Math.max(1, read / trained) - (factor - 1) : factor;
  const own = method === "ntk" || method === "dynamic" ? ntkBase(base, grown, headDim) : base;
  const [first, last] = ramp(rotary);
  return Float64Array.from({ length: headDim / 2 }, (_, pair) => {
    const plain = own ** ((-2 * pair) / headDim);
    const stretched = (kept: number): number => plain * (kept + (1 - kept) / factor);
    if (method === "linear") return plain / factor;
    if (method === "llama3") return stretched(clip(((trained * plain) / (2 * Math.PI) - low) / (high - low)));
    if (method === "longrope") return read > trained ? plain / rotary.factors[pair] : plain;
    if (method === "by_parts" || method === "yarn")
      return stretched(1 - clip((pair - first) / (last - first)));
    return plain;
  });
}

/** What queries and keys are multiplied by, so that attention stays as sharp over more tokens. */
export function temperature({ method, factor, trained }: Rotary): number {
  if (factor <= 1) return 1;
  if (method === "yarn") return 0.1 * Math.log(factor) + 1;
  return method === "longrope" ? Math.sqrt(1 + Math.log(factor) / Math.log(trained)) : 1;
}

/** How often each pair goes round within so many tokens; below 1 it never comes back. */
export const turns = (speeds: Float64Array, tokens: number): Float64Array =>
  speeds.map((speed) => (speed * tokens) / (2 * Math.PI));

/** What is left of equal query and key at a distance: the mean of cos(distance · speed). */
export function similarity(speeds: Float64Array, distance: number): number {
  let sum = 0;
  for (const speed of speeds) sum += Math.cos(distance * speed);
  return sum / speeds.length;
}

/** How far apart neighbours are: root mean square over the pairs of the chord between two angles, 0 to 2. */
export const resolution = (speeds: Float64Array): number =>
  Math.sqrt(speeds.reduce((sum, speed) => sum + (2 * Math.sin(speed / 2)) ** 2, 0) / speeds.length);

/** The distance, 1 to tokens - 1, at which two positions look most alike, and their chord there. */
export function closest(speeds: Float64Array, tokens: number): { distance: number; chord: number } {
  let best = { distance: 1, chord: Infinity };
  for (let distance = 1; distance < tokens; distance++) {
    const chord = Math.sqrt(Math.max(0, 2 - 2 * similarity(speeds, distance)));
    if (chord < best.chord) best = { distance, chord };
  }
  return best;
}

/**
 * By how much a score falls with each token of distance,
 * [heads]; for other numbers than powers of two as Bloom does.
 */
export function alibiSlopes(heads: number): Float64Array {
  const power = 2 ** Math.floor(Math.log2(heads));
  return Float64Array.from({ length: heads }, (_, head) =>
    head < power ? 2 ** ((-8 / power) * (head + 1)) : 2 ** ((-4 / power) * (2 * (head - power) + 1)),
  );
}

/** Where the bias is so low, 95 % of the weight lies within, if the scores are equal without it. */
export const WINDOW_NATS = 3;

/** Tokens after which each head's bias has taken so many nats: what lies farther hardly counts. */
export const alibiWindow = (slopes: Float64Array, nats = WINDOW_NATS): Float64Array =>
  slopes.map((slope) => nats / slope);

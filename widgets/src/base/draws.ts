// Random numbers that are the same in both languages and on every machine.

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

/** A whole number from `low` to below `high`; the twin of `Chance.integers`. */
export const whole = (draw: () => number, low: number, high: number): number =>
  low + Math.floor(draw() * (high - low));

/** So many of a list, no place twice, in the order in which they are drawn; the twin of `Chance.choice`. */
export function chosen<Item>(draw: () => number, of: readonly Item[], count: number): Item[] {
  const left = [...of];
  for (let at = 0; at < count; at++) {
    const other = whole(draw, at, left.length);
    [left[at], left[other]] = [left[other], left[at]];
  }
  return left.slice(0, count);
}

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

// Numbers in words: shares, bytes, seconds and lengths of contexts.

export const percent = (share: number): string =>
  `${share >= 0.0995 ? (100 * share).toFixed(0) : (100 * share).toPrecision(2)}%`;

const UNITS: [number, string][] = [
  [1e18, "E"],
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** A number with three digits and a letter for the thousands. */
export function short(value: number): string {
  const [size, letter] = UNITS.find(([size]) => value >= size) ?? [1, ""];
  return `${Number((value / size).toPrecision(3))}${letter ? ` ${letter}` : ""}`;
}

export const bytes = (value: number): string => `${short(value)}${value >= 1000 ? "B" : " B"}`;

export function seconds(value: number): string {
  if (value >= 1) return `${Number(value.toPrecision(3))} s`;
  return value >= 1e-3
    ? `${Number((1e3 * value).toPrecision(3))} ms`
    : `${Number((1e6 * value).toPrecision(3))} µs`;
}

/** 131072 is 128 k: contexts are counted in powers of two. */
export const contextOf = (n: number): string =>
  n >= 1 << 20 ? `${n / (1 << 20)} M` : n >= 1024 ? `${Number((n / 1024).toPrecision(3))} k` : String(n);

// The mean of fresh numbers and its 95 % interval, as frontier_lab.claims.estimates gives them.

export interface Estimate {
  value: number;
  low: number;
  high: number;
}

/**
 * The 97.5 % point of Student's t, by Cornish and Fisher's expansion: within 0.0005 of the true one from 15
 * degrees of freedom on, and a press of the button reads more inputs than that.
 */
export function studentPoint(freedom: number): number {
  const z = 1.959963984540054;
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return terms.reduce((sum, term, i) => sum + term / freedom ** (i + 1), z);
}

export function meanOf(numbers: readonly number[]): Estimate {
  const n = numbers.length;
  const value = numbers.reduce((sum, x) => sum + x, 0) / n;
  const squares = numbers.reduce((sum, x) => sum + (x - value) ** 2, 0);
  const half = studentPoint(n - 1) * Math.sqrt(squares / (n - 1) / n);
  return { value, low: value - half, high: value + half };
}

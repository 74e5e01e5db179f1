// Arithmetic of the model in the page, on flat arrays.

/** to[r] = Σ matrix[r, c] · from[c], summed in double precision. */
export function product(
  matrix: Float32Array,
  from: Float32Array,
  start: number,
  columns: number,
  to: Float32Array,
  at = 0,
): void {
  const rows = matrix.length / columns;
  for (let r = 0, m = 0; r < rows; r++) {
    let a = 0;
    let b = 0;
    let c = 0;
    for (c = 0; c + 1 < columns; c += 2, m += 2) {
      a += matrix[m] * from[start + c];
      b += matrix[m + 1] * from[start + c + 1];
    }
    if (c < columns) a += matrix[m++] * from[start + c];
    to[at + r] = a + b;
  }
}

export function softmax(
  scores: ArrayLike<number>,
  start = 0,
  count = scores.length,
  temperature = 1,
): Float64Array {
  const p = new Float64Array(count);
  let most = -Infinity;
  for (let i = 0; i < count; i++) most = Math.max(most, scores[start + i]);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += p[i] = Math.exp((scores[start + i] - most) / temperature);
  for (let i = 0; i < count; i++) p[i] /= sum;
  return p;
}

/** Indices of the largest values, the lower index first on a tie. */
export function largest(values: ArrayLike<number>, count: number): number[] {
  return Array.from({ length: values.length }, (_, i) => i)
    .sort((a, b) => values[b] - values[a] || a - b)
    .slice(0, count);
}

/**
 * The index at which the running sum of the probabilities passes `u`; the first where rounding leaves a rest.
 */
export function drawFrom(p: Float64Array, u: number): number {
  let left = u;
  for (let i = 0; i < p.length; i++) {
    left -= p[i];
    if (left < 0) return i;
  }
  return 0;
}

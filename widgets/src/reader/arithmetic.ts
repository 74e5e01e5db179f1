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

/** As `product`, with a bias for each row, of every one of the T vectors in `from`: [T · rows]. */
export function affine(
  matrix: Float32Array,
  bias: Float32Array,
  from: Float32Array,
  columns: number,
  T = from.length / columns,
): Float32Array {
  const rows = bias.length;
  const to = new Float32Array(T * rows);
  for (let t = 0; t < T; t++) {
    product(matrix, from, t * columns, columns, to, t * rows);
    for (let r = 0; r < rows; r++) to[t * rows + r] += bias[r];
  }
  return to;
}

/** The error function to 1e-15: a series of positive terms alone, so nothing cancels. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = 0;
  for (let n = 3; Math.abs(term) > 1e-17; n += 2) {
    sum += term;
    term *= (2 * x * x) / n;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
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

/** Makes one head's results [T · H · width] zero, or their mean over the T tokens, in place. */
export function switchOff(
  results: Float32Array,
  heads: number,
  width: number,
  { head, kind }: { head: number; kind: "zero" | "mean" },
): void {
  const row = heads * width;
  const T = results.length / row;
  for (let i = head * width; i < (head + 1) * width; i++) {
    let mean = 0;
    if (kind === "mean") for (let t = 0; t < T; t++) mean += results[t * row + i] / T;
    for (let t = 0; t < T; t++) results[t * row + i] = mean;
  }
}

/**
 * Length of every value after its head's part of the output projection, [H · T].
 *
 * @param output - [D · H·width].
 * @param values - [T · shared·width]; each serves `heads / shared` heads.
 */
export function broughtLengths(
  output: Float32Array,
  values: Float32Array,
  { heads, shared, width }: { heads: number; shared: number; width: number },
): Float32Array {
  const D = output.length / (heads * width);
  const T = values.length / (shared * width);
  const lengths = new Float32Array(heads * T);
  for (let head = 0; head < heads; head++) {
    const group = Math.floor(head / (heads / shared)) * width;
    for (let t = 0; t < T; t++) {
      let sum = 0;
      for (let r = 0; r < D; r++) {
        let brought = 0;
        for (let i = 0; i < width; i++)
          brought += output[(r * heads + head) * width + i] * values[t * shared * width + group + i];
        sum += brought ** 2;
      }
      lengths[head * T + t] = Math.sqrt(sum);
    }
  }
  return lengths;
}

// What is drawn of a head: attention, attention times the
// length of what it brings, or the rollout to its layer.
import type { Weighting } from "./choices";
import { rollout, valueWeighted } from "./patterns";
import type { Reading } from "./reading";

/** Tokens up to which the rollout is computed: it takes a product of matrices a layer. */
export const ROLLOUT = 128;

/** Why a way to weigh is not there for a reading; null where it is. */
export function missing(weighting: Weighting, reading: Reading): "norms" | "cross" | "long" | null {
  if (weighting === "value") return reading.norms.length ? null : "norms";
  if (weighting === "rollout")
    return reading.keys ? "cross" : reading.tokens.length > ROLLOUT ? "long" : null;
  return null;
}

const rollouts = new WeakMap<Reading, { residual: number; after: Float64Array[] }>();

const last = new WeakMap<Reading, { key: string; matrix: Float32Array | Float64Array }>();

/** One head's matrix, [T · S], remembered for the reading until another is asked for. */
export function matrixOf(
  reading: Reading,
  layer: number,
  head: number,
  weighting: Weighting,
  residual: number,
): Float32Array | Float64Array {
  const key = [layer, head, weighting, residual].join();
  const known = last.get(reading);
  if (known?.key === key) return known.matrix;
  const matrix = compute(reading, layer, head, weighting, residual);
  last.set(reading, { key, matrix });
  return matrix;
}

function compute(
  reading: Reading,
  layer: number,
  head: number,
  weighting: Weighting,
  residual: number,
): Float32Array | Float64Array {
  const { weights } = reading;
  const way = missing(weighting, reading) ? "raw" : weighting;
  if (way === "rollout") {
    let known = rollouts.get(reading);
    if (known?.residual !== residual) {
      const layers = Array.from({ length: weights.layers }, (_, l) => {
        const all = new Float32Array(weights.heads * weights.length ** 2);
        for (let one = 0; one < weights.heads; one++)
          all.set(weights.matrix(l, one), one * weights.length ** 2);
        return all;
      });
      known = { residual, after: rollout(layers, weights.heads, weights.length, residual) };
      rollouts.set(reading, known);
    }
    return known.after[layer];
  }
  const found = weights.matrix(layer, head);
  if (way === "raw") return found;
  const start = (layer * weights.heads + head) * weights.size;
  return valueWeighted(
    found,
    reading.norms.subarray(start, start + weights.size),
    weights.length,
    weights.size,
  );
}

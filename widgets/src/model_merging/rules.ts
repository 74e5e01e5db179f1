// Ways to merge task vectors into a base, tensor by tensor: the twin of model_merging/rules.py.
import { draws } from "../base/draws";
import type { Tensors } from "../reader/safetensors";

export const RULES = ["sum", "average", "ties", "dare", "nuslerp"] as const;
export type Rule = (typeof RULES)[number];

/** What is merged, and how; `Merge` of the Python twin says what each part does. */
export interface Merge {
  weights: readonly number[];
  rule: Rule;
  density: number;
  seed: number;
  embedding: boolean;
  pair: readonly [number, number];
}

const EMBEDDING = "embed_tokens";
const STRAIGHT = 1 - 1e-7;
/** Ends the name of a packed tensor's scales. */
const SCALE = ".scale";

/** What each vector is multiplied by in a sum: the weights, or their shares in an average. */
export function factors({ rule, weights }: Pick<Merge, "rule" | "weights">): readonly number[] {
  if (rule !== "average") return weights;
  const shares = weights.map((weight) => Math.max(0, weight));
  const all = shares.reduce((sum, share) => sum + share, 0) || 1;
  return shares.map((share) => share / all);
}

/** Where an arc is, 0 at the first vector of the pair and 1 at the second; null with no weight on either. */
export function turn({ weights, pair }: Pick<Merge, "weights" | "pair">): number | null {
  const [one, other] = pair.map((at) => Math.max(0, weights[at]));
  return one + other > 0 ? other / (one + other) : null;
}

/** What a merge comes to: the base, one expert as it was trained, something of one expert, or of several. */
export type Outcome =
  | { kind: "base" }
  | { kind: "expert"; task: number }
  | { kind: "one"; task: number; factor: number }
  | { kind: "several"; count: number };

/** Which vectors a merge is made of: those with weight 0 are not in it, whatever the rule. */
export function outcome(how: Merge): Outcome {
  const at = how.rule === "nuslerp" ? turn(how) : null;
  const arms = how.weights.map((_, i) => {
    if (at === null) return 0;
    return how.pair[0] === i ? 1 - at : how.pair[1] === i ? at : 0;
  });
  const parts = how.rule === "nuslerp" ? arms : factors(how);
  const used = parts.flatMap((part, i) => (Math.abs(part) > 1e-9 ? [i] : []));
  if (used.length === 0) return { kind: "base" };
  if (used.length > 1) return { kind: "several", count: used.length };
  const [task] = used;
  const factor = parts[task];
  const whole = factor === 1 && how.embedding && how.rule !== "ties" && how.rule !== "dare";
  return whole ? { kind: "expert", task } : { kind: "one", task, factor };
}

/** Packed vectors as a file has them, by task: whole numbers times the scale of their row. */
export function unpack(file: Tensors, tasks: readonly string[]): Tensors[] {
  return tasks.map((task) => {
    const vector: Tensors = new Map();
    for (const [name, { shape, values }] of file) {
      if (!name.startsWith(`${task}.`) || name.endsWith(SCALE)) continue;
      const scales = file.get(name + SCALE)?.values;
      if (!scales) throw new Error(`weights: ${name} has no scales`);
      const width = values.length / scales.length;
      const found = Float32Array.from(values, (step, i) => step * scales[Math.floor(i / width)]);
      vector.set(name.slice(task.length + 1), { shape, values: found });
    }
    return vector;
  });
}

/** Which entries are the largest: a share of them, rounded down, one at least; of equal ones the first. */
export function largest(values: Float32Array, density: number): Uint8Array {
  const keep = Math.max(1, Math.floor(density * values.length));
  const sizes = values.map(Math.abs).sort();
  const least = sizes[values.length - keep];
  let equal = keep - (values.length - upper(sizes, least));
  return Uint8Array.from(values, (value) => {
    const size = Math.abs(value);
    if (size !== least) return size > least ? 1 : 0;
    return equal-- > 0 ? 1 : 0;
  });
}

/** How many of rising numbers are at most `value`. */
function upper(rising: Float32Array, value: number): number {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rising[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

type Added = Float64Array;

function addElected(into: Added, weighted: Added[]): void {
  for (let i = 0; i < into.length; i++) {
    let mass = 0;
    for (const values of weighted) mass += values[i];
    const sign = mass >= 0 ? 1 : -1;
    let sum = 0;
    let count = 0;
    for (const values of weighted)
      if (values[i] * sign > 0) {
        sum += values[i];
        count++;
      }
    into[i] = sum / Math.max(1, count);
  }
}

/** What an arc takes of its two ends at `t`. */
export function arc(one: Float32Array, other: Float32Array, t: number): [number, number] {
  let [dot, left, right] = [0, 0, 0];
  for (let i = 0; i < one.length; i++) {
    dot += one[i] * other[i];
    left += one[i] ** 2;
    right += other[i] ** 2;
  }
  const norms = Math.sqrt(left) * Math.sqrt(right);
  const cosine = norms > 1e-8 ? Math.min(1, Math.max(-1, dot / norms)) : 1;
  if (Math.abs(cosine) > STRAIGHT) return [1 - t, t];
  const angle = Math.acos(cosine);
  return [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
}

function addScaled(into: Added, values: Float32Array, factor: number): void {
  if (factor) for (let i = 0; i < into.length; i++) into[i] += factor * values[i];
}

/** What a rule adds to one tensor; `row` is its place among the names in order. */
function* added(tensors: Float32Array[], how: Merge, row: number): Generator<void, Added> {
  const into = new Float64Array(tensors[0].length);
  switch (how.rule) {
    case "ties": {
      const weighted: Added[] = [];
      for (const [at, values] of tensors.entries()) {
        const kept = largest(values, how.density);
        weighted.push(Float64Array.from(values, (value, i) => how.weights[at] * value * kept[i]));
        yield;
      }
      addElected(into, weighted);
      break;
    }
    case "dare":
      for (const [at, values] of tensors.entries()) {
        const draw = draws(how.seed, row * tensors.length + at);
        const factor = how.weights[at] / how.density;
        for (let i = 0; i < values.length; i++) if (draw() < how.density) into[i] += factor * values[i];
        yield;
      }
      break;
    case "nuslerp": {
      const t = turn(how);
      if (t === null) break;
      const [one, other] = how.pair.map((at) => tensors[at]);
      const [ofOne, ofOther] = arc(one, other, t);
      addScaled(into, one, ofOne);
      addScaled(into, other, ofOther);
      break;
    }
    default:
      factors(how).forEach((factor, at) => addScaled(into, tensors[at], factor));
  }
  return into;
}

/** Write the merged weights into `into`, which has the base's names and shapes; pauses between pieces. */
export function* mergeInto(
  into: Tensors,
  base: Tensors,
  vectors: readonly Tensors[],
  how: Merge,
): Generator<void, void> {
  for (const [row, name] of [...base.keys()].sort().entries()) {
    const start = base.get(name)!.values;
    const target = into.get(name)!.values;
    if (name.includes(EMBEDDING) && !how.embedding) target.set(start);
    else {
      const tensors = vectors.map((vector) => vector.get(name)!.values);
      const more = yield* added(tensors, how, row);
      for (let i = 0; i < target.length; i++) target[i] = start[i] + more[i];
    }
    yield;
  }
}

/** Room for weights of the same names and shapes. */
export function emptyLike(base: Tensors): Tensors {
  return new Map(
    [...base].map(([name, { shape, values }]) => [name, { shape, values: new Float32Array(values.length) }]),
  );
}

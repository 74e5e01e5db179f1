// Ways to choose experts, side by side on the same router scores. The Python twin is moe_routing/routers.py.
import { draws } from "../base/draws";

export const ROUTERS = ["switch", "top2", "noisy", "expert_choice", "loss_free", "shared"] as const;
export type RouterName = (typeof ROUTERS)[number];

/** Standard deviation of the noise over that of the scores; in the paper it is learnt. */
const NOISE = 0.5;
/**
 * Steps of the bias by the sign of the lack of load, as in DeepSeek-V3, but on these tokens alone; so few are
 * alike that steps of one size would swing for ever, and they shrink to nothing.
 */
const BIAS_STEPS = 400;
const BIAS_RATE = 0.005;

export interface Routed {
  name: RouterName;
  /** Routed choices of a token. */
  topK: number;
  /** Assignments per expert before capacity, [E]; a shared expert is not among them. */
  counts: Int32Array;
  capacity: number | null;
  /** E Σ f P, with P of the softmax. */
  balanceLoss: number;
  /** Standard deviation of counts over their mean. */
  cv: number;
  /** Entropy of f in bits. */
  entropy: number;
  /** Dropped assignments over all. */
  dropFraction: number;
  /** Share of the tokens that no expert computes. */
  unserved: number;
}

function normals(seed: number, count: number): Float64Array {
  const next = draws(seed, 0);
  // Box and Muller; 1 - u keeps the logarithm finite.
  return Float64Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  );
}

/**
 * The highest scores of a row, best first, the lower index
 * on a tie; a scan for each, because there are one or two.
 */
function best(scores: ArrayLike<number>, start: number, experts: number, count: number): number[] {
  const found: number[] = [];
  while (found.length < count) {
    let top = -1;
    for (let e = 0; e < experts; e++)
      if ((top < 0 || scores[start + e] > scores[start + top]) && !found.includes(e)) top = e;
    found.push(top);
  }
  return found;
}

/** Scores to which bias is added until the loads are even; the bias chooses and does not weigh. */
function withBias(scores: ArrayLike<number>, tokens: number, experts: number, topK: number): Float64Array {
  const bias = new Float64Array(experts);
  const shifted = new Float64Array(tokens * experts);
  const shift = (): void => {
    for (let at = 0; at < shifted.length; at++)
      shifted[at] = 1 / (1 + Math.exp(-scores[at])) + bias[at % experts];
  };
  shift();
  for (let step = 0; step < BIAS_STEPS; step++) {
    const counts = new Int32Array(experts);
    for (let token = 0; token < tokens; token++)
      for (const e of best(shifted, token * experts, experts, topK)) counts[e]++;
    for (let e = 0; e < experts; e++)
      bias[e] += BIAS_RATE * (1 - step / BIAS_STEPS) * Math.sign(tokens * topK - counts[e] * experts);
    shift();
  }
  return shifted;
}

/**
 * Every router on the same scores [T · E]; slots are ceil(factor
 * · k · T / E) for each router's own k, 0 is dropless.
 */
export function compareRouters(
  scores: ArrayLike<number>,
  tokens: number,
  experts: number,
  capacityFactor: number,
  seed = 0,
): Routed[] {
  const size = tokens * experts;
  const P = new Float64Array(experts);
  const probabilities = new Float64Array(size);
  let mean = 0;
  for (let at = 0; at < size; at++) mean += scores[at] / size;
  let variance = 0;
  for (let at = 0; at < size; at++) variance += (scores[at] - mean) ** 2 / size;
  for (let token = 0; token < tokens; token++) {
    const row = token * experts;
    let highest = -Infinity;
    for (let e = 0; e < experts; e++) highest = Math.max(highest, scores[row + e]);
    let sum = 0;
    for (let e = 0; e < experts; e++) {
      probabilities[row + e] = Math.exp(scores[row + e] - highest);
      sum += probabilities[row + e];
    }
    for (let e = 0; e < experts; e++) {
      probabilities[row + e] /= sum;
      P[e] += probabilities[row + e] / tokens;
    }
  }

  return ROUTERS.map((name) => {
    const topK = Math.min(experts, name === "switch" || name === "shared" ? 1 : 2);
    const slots = (factor: number): number => Math.ceil((factor * topK * tokens) / experts - 1e-9);
    const counts = new Int32Array(experts);
    const served = new Uint8Array(tokens);
    let capacity = capacityFactor > 0 ? slots(capacityFactor) : null;
    let dropped = 0;
    if (name === "expert_choice") {
      // Experts choose: there is no choice without a number.
      capacity = Math.min(tokens, slots(capacityFactor || 1));
      for (let e = 0; e < experts; e++) {
        const order = Array.from({ length: tokens }, (_, token) => token);
        order.sort((a, b) => probabilities[b * experts + e] - probabilities[a * experts + e] || a - b);
        for (const token of order.slice(0, capacity)) served[token] = 1;
        counts[e] = capacity;
      }
    } else {
      let chosenBy: ArrayLike<number> = scores;
      if (name === "noisy") {
        const noise = normals(seed, size);
        chosenBy = Float64Array.from(noise, (z, at) => scores[at] + NOISE * Math.sqrt(variance) * z);
      } else if (name === "loss_free") chosenBy = withBias(scores, tokens, experts, topK);
      for (let token = 0; token < tokens; token++) {
        for (const e of best(chosenBy, token * experts, experts, topK)) {
          if (capacity === null || counts[e] < capacity) served[token] = 1;
          else dropped++;
          counts[e]++;
        }
        if (name === "shared") served[token] = 1;
      }
    }
    const all = counts.reduce((sum, n) => sum + n, 0);
    let [balance, entropy, spread] = [0, 0, 0];
    for (let e = 0; e < experts; e++) {
      const f = all ? counts[e] / all : 0;
      balance += experts * f * P[e];
      if (f > 0) entropy -= f * Math.log2(f);
      spread += (f * experts - 1) ** 2 / experts;
    }
    return {
      name,
      topK,
      counts,
      capacity,
      entropy,
      balanceLoss: balance,
      cv: all ? Math.sqrt(spread) : 0,
      dropFraction: all ? dropped / all : 0,
      unserved: tokens ? 1 - served.reduce((sum, one) => sum + one, 0) / tokens : 0,
    };
  });
}

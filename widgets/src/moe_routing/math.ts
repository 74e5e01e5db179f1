// Top-k routing with capacity, without DOM, in flat arrays. The Python twin is moe_routing/math.py;
// tests/golden/moe_routing.json holds both to the same numbers.

import { draws } from "../base/draws";

export interface RoutingOptions {
  topK: number;
  /** Divides the logits, > 0. */
  temperature: number;
  /** Slots per expert are ceil(factor · k · T / E); 0 is dropless. */
  capacityFactor: number;
  renormalize: boolean;
  /**
   * Fill the slots by the tokens' highest probability, all
   * first choices before the second ones; else by arrival.
   */
  priority?: boolean;
}

export interface Routing {
  tokens: number;
  experts: number;
  topK: number;
  /** softmax(logits / temperature), [T · E]. */
  probabilities: Float64Array;
  /** Experts of each token, best first, the lower index on a tie, [T · k]. */
  chosen: Int32Array;
  /** Combine weights before any drop, [T · k]. */
  weights: Float64Array;
  /** 1 where the expert had a slot left, [T · k]. */
  kept: Uint8Array;
  /** Place in the expert's queue, -1 where dropped, [T · k]. */
  slots: Int32Array;
  /** Slots per expert; null when dropless. */
  capacity: number | null;
  /** Assignments per expert before capacity, [E]. */
  counts: Int32Array;
  /** counts / (k · T), sums to 1, [E]. */
  f: Float64Array;
  /** Mean probability, sums to 1, [E]. */
  P: Float64Array;
  /** E Σ f P: 1 when balanced, at most E / k. */
  balanceLoss: number;
  /** Standard deviation of counts over their mean. */
  cv: number;
  /** Entropy of f in bits. */
  entropy: number;
  /** Dropped assignments over all assignments. */
  dropFraction: number;
  /** Mean of (log Σ exp z)², of the scores before the temperature. */
  zLoss: number;
}

export function route(
  scores: ArrayLike<number>,
  tokens: number,
  experts: number,
  options: RoutingOptions,
): Routing {
  const { topK, temperature, capacityFactor, renormalize } = options;
  const assignments = tokens * topK;
  const probabilities = new Float64Array(tokens * experts);
  const chosen = new Int32Array(assignments);
  const weights = new Float64Array(assignments);
  const kept = new Uint8Array(assignments);
  const slots = new Int32Array(assignments);
  const counts = new Int32Array(experts);
  const P = new Float64Array(experts);
  // The product is rounded before ceil: 1.1 · 2 · 40 / 8 is 11 slots, not 12.
  const capacity = capacityFactor > 0 ? Math.ceil((capacityFactor * topK * tokens) / experts - 1e-9) : null;
  const order = Array.from({ length: experts }, (_, e) => e);
  let zLoss = 0;

  for (let token = 0; token < tokens; token++) {
    const row = token * experts;
    let highest = -Infinity;
    for (let e = 0; e < experts; e++) highest = Math.max(highest, scores[row + e]);
    let sum = 0;
    let mass = 0;
    for (let e = 0; e < experts; e++) {
      sum += probabilities[row + e] = Math.exp((scores[row + e] - highest) / temperature);
      mass += Math.exp(scores[row + e] - highest);
    }
    zLoss += (highest + Math.log(mass)) ** 2 / tokens;
    for (let e = 0; e < experts; e++) P[e] += probabilities[row + e] /= sum;

    // Chosen by score: softmax keeps the order, but could round a close pair into a tie.
    const best = [...order].sort((a, b) => scores[row + b] - scores[row + a] || a - b).slice(0, topK);
    const chosenMass = renormalize ? best.reduce((total, e) => total + probabilities[row + e], 0) : 1;
    best.forEach((e, rank) => {
      chosen[token * topK + rank] = e;
      weights[token * topK + rank] = probabilities[row + e] / chosenMass;
    });
  }
  for (const at of fillingOrder(chosen, probabilities, tokens, experts, topK, options.priority ?? false)) {
    const place = counts[chosen[at]]++;
    kept[at] = capacity === null || place < capacity ? 1 : 0;
    slots[at] = kept[at] ? place : -1;
  }

  const f = Float64Array.from(counts, (count) => (assignments ? count / assignments : 0));
  let balance = 0;
  let entropy = 0;
  let variance = 0;
  let lost = 0;
  for (let e = 0; e < experts; e++) {
    if (tokens) P[e] /= tokens;
    balance += f[e] * P[e];
    if (f[e] > 0) entropy -= f[e] * Math.log2(f[e]);
    variance += (f[e] * experts - 1) ** 2 / experts;
  }
  for (const one of kept) lost += 1 - one;
  return {
    tokens,
    experts,
    topK,
    probabilities,
    chosen,
    weights,
    kept,
    slots,
    capacity,
    counts,
    f,
    P,
    entropy,
    zLoss,
    balanceLoss: experts * balance,
    cv: assignments ? Math.sqrt(variance) : 0,
    dropFraction: assignments ? lost / assignments : 0,
  };
}

/** Assignments, as indices into [T · k], in the order in which they take the experts' slots. */
function fillingOrder(
  chosen: Int32Array,
  probabilities: Float64Array,
  tokens: number,
  experts: number,
  topK: number,
  priority: boolean,
): number[] {
  if (!priority) return Array.from(chosen, (_, at) => at);
  const best = (token: number): number => probabilities[token * experts + chosen[token * topK]];
  const sure = Array.from({ length: tokens }, (_, token) => token).sort((a, b) => best(b) - best(a) || a - b);
  return Array.from({ length: topK }, (_, rank) => sure.map((token) => token * topK + rank)).flat();
}

/** Tokens that chose this expert, the most probable first. */
export function tokensOf(routing: Routing, expert: number): number[] {
  const found: number[] = [];
  routing.chosen.forEach((e, at) => {
    if (e === expert) found.push(Math.floor(at / routing.topK));
  });
  const p = (token: number): number => routing.probabilities[token * routing.experts + expert];
  return found.sort((a, b) => p(b) - p(a) || a - b);
}

/**
 * Bits that an expert tells about the group of its token, over
 * all assignments; `groups` holds a number for each token.
 */
export function mutualInformation({ chosen, topK, experts }: Routing, groups: ArrayLike<number>): number {
  const kinds = Math.max(0, ...Array.from(groups)) + 1;
  const table = new Float64Array(kinds * experts);
  const rows = new Float64Array(kinds);
  const columns = new Float64Array(experts);
  for (let at = 0; at < chosen.length; at++) {
    const group = groups[Math.floor(at / topK)];
    table[group * experts + chosen[at]] += 1 / chosen.length;
    rows[group] += 1 / chosen.length;
    columns[chosen[at]] += 1 / chosen.length;
  }
  let bits = 0;
  for (let group = 0; group < kinds; group++) {
    for (let e = 0; e < experts; e++) {
      const p = table[group * experts + e];
      if (p > 0) bits += p * Math.log2(p / (rows[group] * columns[e]));
    }
  }
  return bits;
}

/**
 * The same after the groups were shuffled among the tokens,
 * `times` times, in rising order: what chance alone tells.
 */
export function shuffledInformation(
  routing: Routing,
  groups: ArrayLike<number>,
  times: number,
  seed = 0,
): Float64Array {
  return Float64Array.from({ length: times }, (_, time) => {
    const shuffled = Array.from(groups);
    const next = draws(seed, time);
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(next() * (i + 1));
      [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
    }
    return mutualInformation(routing, shuffled);
  }).sort();
}

export interface Parallel {
  /** Kept assignments that each device computes, [D]. */
  load: Int32Array;
  /** Token vectors that each device sends to others, and gets back, [D]. */
  sent: Int32Array;
  /** Largest load over the mean: the others wait for it. */
  straggler: number;
}

/** Experts and tokens laid on devices in equal blocks, in order; `devices` divides the number of experts. */
export function expertParallel(routing: Routing, devices: number): Parallel {
  const { chosen, kept, topK, tokens, experts } = routing;
  const load = new Int32Array(devices);
  const sent = new Int32Array(devices);
  for (let at = 0; at < chosen.length; at++) {
    if (!kept[at]) continue;
    const home = Math.floor((Math.floor(at / topK) * devices) / tokens);
    const away = Math.floor((chosen[at] * devices) / experts);
    load[away]++;
    if (away !== home) sent[home]++;
  }
  const all = load.reduce((sum, n) => sum + n, 0);
  return { load, sent, straggler: all ? (Math.max(...load) * devices) / all : 0 };
}

export interface TokenPath {
  /** Experts of the token in each layer, best first, [L][k]. */
  chosen: Int32Array[];
  /** Their combine weights, [L][k]. */
  weights: Float64Array[];
  /** Tokens whose first choice is the same in every layer, this one among them. */
  alike: number;
}

/** The way of one token through all layers, whose scores are [T · E] each. */
export function tokenPath(
  layers: ArrayLike<number>[],
  token: number,
  tokens: number,
  experts: number,
  options: RoutingOptions,
): TokenPath {
  const routed = layers.map((scores) =>
    route(
      Array.from({ length: experts }, (_, e) => scores[token * experts + e]),
      1,
      experts,
      { ...options, capacityFactor: 0 },
    ),
  );
  const first = (scores: ArrayLike<number>, at: number): number => {
    let best = 0;
    for (let e = 1; e < experts; e++) if (scores[at * experts + e] > scores[at * experts + best]) best = e;
    return best;
  };
  let alike = 0;
  for (let other = 0; other < tokens; other++)
    if (layers.every((scores, l) => first(scores, other) === routed[l].chosen[0])) alike++;
  return { chosen: routed.map(({ chosen }) => chosen), weights: routed.map(({ weights }) => weights), alike };
}

// Top-k routing with capacity, without DOM, in flat arrays. The Python twin is frontier_widgets/moe_routing_math.py;
// tests/golden/moe_routing.json holds both to the same numbers.

export interface RoutingOptions {
  topK: number;
  /** Divides the logits, > 0. */
  temperature: number;
  /** Slots per expert are ceil(factor · k · T / E); 0 is dropless. */
  capacityFactor: number;
  renormalize: boolean;
  /** Fill the slots by the tokens' highest probability, all first choices before the second ones; else by arrival. */
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
}

export function route(scores: ArrayLike<number>, tokens: number, experts: number, options: RoutingOptions): Routing {
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

  for (let token = 0; token < tokens; token++) {
    const row = token * experts;
    let highest = -Infinity;
    for (let e = 0; e < experts; e++) highest = Math.max(highest, scores[row + e]);
    let sum = 0;
    for (let e = 0; e < experts; e++) sum += probabilities[row + e] = Math.exp((scores[row + e] - highest) / temperature);
    for (let e = 0; e < experts; e++) P[e] += probabilities[row + e] /= sum;

    // Chosen by score: softmax keeps the order, but could round a close pair into a tie.
    const best = [...order].sort((a, b) => scores[row + b] - scores[row + a] || a - b).slice(0, topK);
    const mass = renormalize ? best.reduce((total, e) => total + probabilities[row + e], 0) : 1;
    best.forEach((e, rank) => {
      chosen[token * topK + rank] = e;
      weights[token * topK + rank] = probabilities[row + e] / mass;
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
    tokens, experts, topK, probabilities, chosen, weights, kept, slots, capacity, counts, f, P, entropy,
    balanceLoss: experts * balance,
    cv: assignments ? Math.sqrt(variance) : 0,
    dropFraction: assignments ? lost / assignments : 0,
  };
}

/** Assignments, as indices into [T · k], in the order in which they take the experts' slots. */
function fillingOrder(chosen: Int32Array, probabilities: Float64Array, tokens: number, experts: number, topK: number, priority: boolean): number[] {
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

// Total and active parameters of mixture-of-experts models. The Python twin is moe_routing/sizes.py;
// tests/golden/moe_sizes.json holds both to the same numbers.
import published from "../../frontier_widgets/data/mixtures.json";

export interface Mixture {
  /** Layers that have a mixture; the others are in `other`. */
  layers: number;
  experts: number;
  topK: number;
  /** Parameters of one expert. */
  expert: number;
  /** What one more expert adds to its layer's router. */
  router: number;
  /** All that every token uses: embeddings, attention, norms, dense layers, shared experts. */
  other: number;
}

/** Published models by name, and `book`, the small one that was trained for this book. */
export const MIXTURES: Record<string, Mixture> = Object.fromEntries(
  Object.entries(published).map(([name, { top_k, ...sizes }]) => [name, { ...sizes, topK: top_k }]),
);

export interface Sizes {
  total: number;
  /** Parameters that a token goes through; the whole table of embeddings counts. */
  active: number;
  /** Twice `active`, about what one token costs beside the cells of attention. */
  operations: number;
  /** Of all weights in bfloat16. */
  bytes: number;
  /** Decimal logarithm of the number of sets of experts that a token can take in one layer. */
  log10Sets: number;
}

/**
 * Sizes of a model with so many experts, of which a token takes `topK`, every one split into `granularity`.
 */
export function sizes(
  mixture: Mixture,
  { experts = mixture.experts, topK = mixture.topK, granularity = 1 } = {},
): Sizes {
  const shared = mixture.other + mixture.layers * experts * granularity * mixture.router;
  const total = shared + mixture.layers * experts * mixture.expert;
  const active = shared + mixture.layers * topK * mixture.expert;
  const spare = (experts - topK) * granularity;
  let log10Sets = 0;
  for (let i = 1; i <= topK * granularity; i++) log10Sets += Math.log10((spare + i) / i);
  return { total, active, operations: 2 * active, bytes: 2 * total, log10Sets };
}

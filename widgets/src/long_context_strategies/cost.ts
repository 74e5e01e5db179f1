// What a context costs: operations, bytes and least seconds, without DOM. The Python twin, where all is
// explained, is long_context_strategies/cost.py; tests/golden/attention_cost.json holds both to the same.
import known from "../../frontier_widgets/data/models.json";
import { count, inLastRow, reachOf, type Pattern } from "./masks";

export interface Model {
  width: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  valueDim: number;
  /** Numbers a token and layer that MLA keeps instead of keys and values; 0 for the others. */
  latent: number;
  parameters: number;
  active: number;
}

export const SHARINGS = ["mha", "gqa", "mqa", "mla"] as const;
export type Sharing = (typeof SHARINGS)[number];

/** Architectures that keep a state of fixed size instead of keys and values. */
export const RIVALS = ["mamba", "mamba2", "retnet", "rwkv"] as const;
export type Rival = (typeof RIVALS)[number];

/** Blocks in the place of one layer of attention and feed-forward network, at equal parameters. */
const BLOCKS: Record<Rival, number> = { mamba: 2, mamba2: 2, retnet: 1, rwkv: 1 };

export interface Recurrent {
  state: number;
  operations: number;
  prefill: number;
  decode: number;
}

export interface Machine {
  /** A second. */
  operations: number;
  /** Bytes a second. */
  bandwidth: number;
  /** Bytes. */
  memory: number;
}

type Sizes = (typeof known.models)["Llama-2-7B"];

export const modelOf = ({ kv_heads, head_dim, value_dim, ...same }: Sizes): Model => ({
  ...same,
  kvHeads: kv_heads,
  headDim: head_dim,
  valueDim: value_dim,
});

/** Published configurations, by name. */
export const MODELS: Record<string, Model> = Object.fromEntries(
  Object.entries(known.models).map(([name, sizes]) => [name, modelOf(sizes)]),
);

/** NVIDIA H100 SXM, bfloat16 without sparsity. */
export const MACHINE: Machine = known.machine;

export interface Cost {
  cells: number;
  share: number;
  attention: number;
  others: number;
  cache: number;
  weights: number;
  prefill: number;
  decode: number;
  fits: boolean;
}

export interface Retrieval {
  chunk: number;
  passages: number;
  question: number;
  found: number;
  answered: number;
}

/** Numbers that a token leaves in the cache of one layer. */
export const kept = (model: Model): number =>
  model.latent || model.kvHeads * (model.headDim + model.valueDim);

/** The same model with another way to share keys and values, its other sizes unchanged. */
export function shared(model: Model, sharing: Sharing): Model {
  if (sharing === "mla") return { ...model, latent: Math.floor((9 * model.valueDim) / 2) };
  let group = sharing === "mha" ? 1 : sharing === "mqa" ? model.heads : 8;
  while (model.heads % group) group--;
  return { ...model, kvHeads: model.heads / group, latent: 0 };
}

/** Tokens whose keys and values later tokens may still need. */
export function keptTokens(pattern: Pattern, n: number): number {
  if (pattern.kind === "window") return Math.min(n, reachOf(pattern) + 1);
  if (pattern.kind === "dilated") return Math.min(n, reachOf(pattern) * pattern.dilation + 1);
  if (pattern.kind === "sinks") return Math.min(n, pattern.sinks + pattern.window);
  return n;
}

/** Cost of a sequence of n tokens when every layer has the same pattern. */
export function cost(model: Model, pattern: Pattern, n: number, bytesEach: number, machine: Machine): Cost {
  const cells = count(pattern, n);
  const pair = 2 * (model.headDim + model.valueDim);
  const attention = model.layers * model.heads * cells * pair;
  const others = 2 * model.active * n;
  const seen = inLastRow(pattern, n);
  const nextOperations =
    2 * model.active + model.layers * model.heads * seen * (model.latent ? 4 * model.latent : pair);
  const cache = Math.floor(model.layers * keptTokens(pattern, n) * kept(model) * bytesEach);
  const moved = (model.active + model.layers * seen * kept(model)) * bytesEach;
  const weights = Math.floor(model.parameters * bytesEach);
  return {
    cells,
    share: cells / n ** 2,
    attention,
    others,
    cache,
    weights,
    prefill: Math.max((attention + others) / machine.operations, weights / machine.bandwidth),
    decode: Math.max(nextOperations / machine.operations, moved / machine.bandwidth),
    fits: weights + cache <= machine.memory,
  };
}

/** Numbers that one layer of a recurrent model keeps, however long the text. */
export function stateNumbers(width: number, rival: Rival): number {
  const channels = 2 * width;
  switch (rival) {
    case "mamba":
      return channels * (16 + 4);
    case "mamba2":
      return channels * 128 + (channels + 2 * 8 * 128) * 4;
    case "retnet":
      return 256 * channels;
    default:
      return 5 * width;
  }
}

/** Cost of a recurrent model with the width and the parameters of `model`. */
export function recurrentCost(
  model: Model,
  rival: Rival,
  n: number,
  bytesEach: number,
  machine: Machine,
): Recurrent {
  const numbers = model.layers * BLOCKS[rival] * stateNumbers(model.width, rival);
  const each = 2 * model.active + 5 * numbers;
  const moved = (model.active + 2 * numbers) * bytesEach;
  return {
    state: Math.floor(numbers * bytesEach),
    operations: each * n,
    prefill: Math.max((each * n) / machine.operations, (model.parameters * bytesEach) / machine.bandwidth),
    decode: Math.max(each / machine.operations, moved / machine.bandwidth),
  };
}

/** Fewest tokens whose keys and values are more than the rival's state; undefined if `longest` are not. */
export function crossover(
  model: Model,
  pattern: Pattern,
  rival: Rival,
  longest = 1 << 20,
): number | undefined {
  const state = BLOCKS[rival] * stateNumbers(model.width, rival);
  const more = (n: number): boolean => keptTokens(pattern, n) * kept(model) > state;
  if (!more(longest)) return undefined;
  let low = 1;
  let high = longest;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (more(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Tokens that retrieval reads for a question. */
export const read = ({ passages, chunk, question }: Retrieval): number => passages * chunk + question;

/** Probability of a right answer with retrieval; without the passage there is none. */
export const right = ({ found, answered }: Retrieval): number => found * answered;

/**
 * Longest text, in tokens, that may be read whole at `budget` times the operations of a successful search:
 * retrieval has the right passage with probability `found`, reading whole always.
 */
export function breakEven(
  model: Model,
  pattern: Pattern,
  retrieval: Retrieval,
  budget: number,
  machine: Machine,
  longest = 1 << 20,
): number {
  const operations = (n: number): number => {
    const one = cost(model, pattern, n, 2, machine);
    return one.attention + one.others;
  };
  const allowed = (budget * operations(read(retrieval))) / retrieval.found; // Infinity if nothing is found
  let low = read(retrieval);
  let high = Math.max(low, longest);
  while (low < high) {
    const middle = Math.floor((low + high + 1) / 2);
    if (operations(middle) <= allowed) low = middle;
    else high = middle - 1;
  }
  return low;
}

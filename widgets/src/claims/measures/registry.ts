// Claims that a reader can measure again in the page: the same number as the claim's cell, on fresh inputs.
//
// To add one: (1) a line in MEASURES below: the claim's name, how many inputs one press of the button reads,
// and a function that gets `draw` (fresh random numbers) and the page's models and texts, and returns one
// that draws ONE input and gives its number (a difference of hits, a loss): their mean is the claim's
// estimate;
// (2) what is drawn afresh, in both languages, in ../measures.json, which puts the button on the card;
// (3) Python's numbers for it in tests/widgets/golden_claims.py. Checkpoints and texts that the page can load
// are listed in frontier_lab/figure_data/browser_models.py.
import { draws } from "../../base/draws";
import { softmax, largest } from "../../reader/arithmetic";
import type { Rope, TinyModel } from "../../reader/model";
import { frequencies, ROTARY, temperature, type Rotary } from "../../long_context_strategies/rotary";
import { drawFrom, needle, type Draw, type Ledger } from "./ledger";

/** What a page can load, each once and only when asked. */
export interface Shelf {
  model(name: string): Promise<TinyModel>;
  ledger(name: string): Promise<Ledger>;
  /** Streams of held-out tokens by their kind. */
  streams(name: string): Promise<Uint16Array[]>;
}

export interface Measure {
  /** Fresh inputs of one press. */
  count: number;
  /** Gives the function that draws one input and returns its number. */
  prepare(draw: Draw, shelf: Shelf): Promise<() => number>;
}

const LENGTH = 512;
const DISTANCE = 480;

/** Positions of a model whose rotations are changed, up to `LENGTH` tokens. */
export function positions(model: TinyModel, change: Partial<Rotary>): Rope {
  const { rope_parameters, max_position_embeddings: trained } = model.config;
  const rotary = {
    ...ROTARY,
    headDim: model.headWidth,
    base: rope_parameters.rope_theta,
    trained,
    ...change,
  };
  return { frequencies: frequencies(rotary), temperature: temperature(rotary), longest: LENGTH };
}

/** Whether the last token of a sequence is the model's first choice. */
export function recalled(model: TinyModel, ids: readonly number[], rope: Rope): boolean {
  return largest(model.last(ids.slice(0, -1), rope), 1)[0] === ids[ids.length - 1];
}

/** Recall with positions changed in one way less that in another, on the same needles. */
const recallDifference = (one: Partial<Rotary>, other: Partial<Rotary>): Measure => ({
  count: 32,
  prepare: async (draw, shelf) => {
    const [model, ledger] = [await shelf.model("llama"), await shelf.ledger("llama")];
    const [first, second] = [positions(model, one), positions(model, other)];
    return () => {
      const ids = needle(ledger, draw, LENGTH, DISTANCE);
      return Number(recalled(model, ids, first)) - Number(recalled(model, ids, second));
    };
  },
});

/** Effective number of experts that a text uses in a layer: the exponential of the load's entropy. */
export function expertsInUse(model: TinyModel, ids: readonly number[], layer: number): number {
  const scores = model.forward(ids).routers[layer];
  const chosen = new Float64Array(model.experts);
  const each = model.config.num_experts_per_tok ?? 1;
  for (let t = 0; t < ids.length; t++)
    for (const e of largest(scores.subarray(t * model.experts, (t + 1) * model.experts), each)) chosen[e]++;
  const shares = chosen.map((count) => count / (each * ids.length));
  return Math.exp(-shares.reduce((sum, share) => sum + (share ? share * Math.log(share) : 0), 0));
}

/** Loss of the second copy of a sequence that is given twice, without a head: nats a token. */
export function copyLoss(model: TinyModel, ids: readonly number[], layer: number, head: number): number {
  const { vocab_size: V } = model.config;
  const { logits } = model.forward(ids, { layer, head, kind: "mean" });
  const half = ids.length / 2;
  let sum = 0;
  for (let t = half; t + 1 < ids.length; t++) sum -= Math.log(softmax(logits, t * V, V)[ids[t + 1]]);
  return sum / (half - 1);
}

const TEXT = 128;
const [FIRST, PRINTABLE, COPY] = [1, 94, 24];

export const MEASURES: Readonly<Record<string, Measure>> = {
  "positions-break-recall": recallDifference({ method: "yarn", factor: 8 }, {}),
  "stretch-matters": recallDifference({ method: "yarn", factor: 8 }, { method: "yarn", factor: 4 }),
  "few-experts-busy": {
    count: 24,
    prepare: async (draw, shelf) => {
      const [model, streams] = [await shelf.model("mixtral-unbalanced-40"), await shelf.streams("mixtral")];
      let turn = 0;
      return () => {
        const stream = streams[turn++ % streams.length];
        const start = draw.integer(0, stream.length - TEXT + 1);
        return expertsInUse(model, Array.from(stream.subarray(start, start + TEXT)), 2);
      };
    },
  },
  "focus-is-not-worth": {
    count: 24,
    prepare: async (draw, shelf) => {
      const model = await shelf.model("induction");
      return () => {
        const once = draw
          .permutation(PRINTABLE)
          .slice(0, COPY)
          .map((token) => token + FIRST);
        const ids = [...once, ...once];
        return copyLoss(model, ids, 0, 0) - copyLoss(model, ids, 1, 1);
      };
    },
  },
};

/** The numbers of one press, one for each fresh input; `read` is told after each and may pause or throw. */
export async function measure(
  name: string,
  seed: number,
  shelf: Shelf,
  read: (done: number, count: number) => Promise<void>,
): Promise<number[]> {
  const { count, prepare } = MEASURES[name];
  const next = await prepare(drawFrom(draws(seed, 0)), shelf);
  const numbers: number[] = [];
  while (numbers.length < count) {
    numbers.push(next());
    await read(numbers.length, count);
  }
  return numbers;
}

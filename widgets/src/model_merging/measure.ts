// The model itself, merged and asked in the page: pieces of work that `inSlices` runs.
import { softmax } from "../reader/arithmetic";
import type { TinyModel } from "../reader/model";
import type { Tensors } from "../reader/safetensors";
import type { Scores } from "./landscape";
import { emptyLike, mergeInto, type Merge } from "./rules";

/** Most tokens of an answer. */
const LONGEST = 16;

/** A prompt with its right answer as token ids. */
interface Asked {
  task: number;
  /** Prompt and answer, without the end of text. */
  ids: number[];
  /** The place after which the answer begins. */
  from: number;
  /** Answer and end of text. */
  wanted: number[];
}

export interface Prompt {
  task: number;
  prompt: string;
  answer: string;
}

/** The place of the largest number, the first of equal ones. */
function best(values: Float32Array, start: number, count: number): number {
  let found = 0;
  for (let i = 1; i < count; i++) if (values[start + i] > values[start + found]) found = i;
  return found;
}

/** A base, its task vectors, and room for what they are merged to. */
export class Merger {
  readonly #room: Tensors;
  readonly #merged: TinyModel;
  readonly #asked: Asked[];

  constructor(
    readonly base: TinyModel,
    prompts: readonly Prompt[],
    readonly texts: readonly (readonly number[])[],
    readonly tasks: number,
  ) {
    this.#room = emptyLike(base.tensors);
    this.#merged = base.withWeights(this.#room);
    const { tokenizer } = base;
    this.#asked = prompts.map(({ task, prompt, answer }) => {
      const [before, after] = [tokenizer.encode(prompt), tokenizer.encode(answer)];
      const wanted = [...after, tokenizer.end];
      return { task, wanted, ids: [...before, ...after], from: before.length - 1 };
    });
  }

  /** Merge; what follows is asked of the result. */
  *merge(vectors: readonly Tensors[], how: Merge): Generator<void, void> {
    yield* mergeInto(this.#room, this.base.tensors, vectors, how);
  }

  /** The likeliest answer of what was merged last, or of the base. */
  answer(prompt: string, ofBase = false): string {
    const { tokenizer, config } = this.base;
    const ids = tokenizer.encode(prompt).slice(0, config.max_position_embeddings - LONGEST);
    if (!ids.length) return "";
    return tokenizer.decode((ofBase ? this.base : this.#merged).greedy(ids, LONGEST));
  }

  /** Scores of each token after the last of a prompt, for tests. */
  logits(ids: readonly number[]): Float32Array {
    return this.#merged.last(ids);
  }

  /** Right answers and loss on text of what was merged last: exact, as greedy decoding would find them. */
  *scores(): Generator<void, Scores> {
    const right = new Array<number>(this.tasks).fill(0);
    const V = this.base.config.vocab_size;
    for (const { task, ids, from, wanted } of this.#asked) {
      const logits = this.#merged.tail(ids, from);
      if (wanted.every((id, i) => best(logits, i * V, V) === id)) right[task]++;
      yield;
    }
    let loss = 0;
    let count = 0;
    for (const ids of this.texts) {
      const { logits } = this.#merged.forward(ids);
      for (let t = 0; t + 1 < ids.length; t++) loss -= Math.log(softmax(logits, t * V, V)[ids[t + 1]]);
      count += ids.length - 1;
      yield;
    }
    return { right, text: loss / count };
  }
}

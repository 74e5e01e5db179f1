// The work behind the figure: after a rest the model is merged and asked; a new move cancels.
import { inSlices } from "../base/slices";
import { loadModel, loadTensors, type LoadStrings } from "../reader/checkpoints";
import type { Tensors } from "../reader/safetensors";
import type { MergingFigure } from "./figure";
import { Merger } from "./measure";
import { asked, resultsOf } from "./results";
import { unpack, type Merge } from "./rules";
import type { State } from "./state";

/** Milliseconds without a move after which the work begins. */
export const REST = 150;

const mergers = new WeakMap<object, Promise<Merger>>();
const unpacked = new WeakMap<Tensors, Tensors[]>();

/** Whether there is something to compute for a state. */
function wanting({ scores, answers }: State): boolean {
  const known = [answers.base, answers.merged, ...answers.experts];
  return scores?.kind !== "exact" || known.includes(null);
}

const only = (weights: readonly number[]): Merge => ({
  weights,
  rule: "sum",
  density: 1,
  seed: 0,
  embedding: true,
  pair: [0, 1],
});

/** Follows a figure; nothing is loaded before its reader moves something, or nothing could be shown. */
export function work(figure: MergingFigure): void {
  const { model, data, text, signal } = figure;
  const results = resultsOf(model);
  let first = "";
  let touched = false;
  let now = "";
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let running = new AbortController();

  const merger = (): Promise<Merger> => {
    const known = mergers.get(model);
    if (known) return known;
    const made = loadModel(data.live, model, text as LoadStrings).then(
      (base) => new Merger(base, data.prompts, data.texts, data.tasks.length),
    );
    mergers.set(model, made);
    made.catch(() => mergers.delete(model));
    return made;
  };
  const vectors = async (length: number): Promise<Tensors[]> => {
    const file = await loadTensors(`${data.live}-${data.trained[length]}`, model, text as LoadStrings);
    const known = unpacked.get(file) ?? unpack(file, data.tasks);
    unpacked.set(file, known);
    return known;
  };
  const tell = (status: string): void => {
    results.status = status;
    figure.update();
  };

  function* all(by: Merger, parts: Tensors[], state: State): Generator<void, void> {
    const { how, key, length, prompt } = state;
    const others = asked(length, prompt);
    if (!results.others.has(others)) {
      const found = [by.answer(prompt, true)];
      for (const [at] of data.tasks.entries()) {
        yield* by.merge(parts, only(data.tasks.map((_, i) => Number(i === at))));
        found.push(by.answer(prompt));
        yield;
      }
      results.others.set(others, found);
    }
    yield* by.merge(parts, how);
    results.merged.set(asked(key, prompt), by.answer(prompt));
    yield;
    if (!results.scores.has(key)) results.scores.set(key, yield* by.scores());
  }

  const begin = async (state: State): Promise<void> => {
    running.abort();
    running = new AbortController();
    const { signal: stopped } = running;
    try {
      if (!mergers.has(model)) tell(text.loading);
      const [by, parts] = [await merger(), await vectors(state.length)];
      if (stopped.aborted) return;
      await inSlices(all(by, parts, state), stopped);
      if (!stopped.aborted) tell("");
    } catch (error) {
      if (!stopped.aborted) tell(error instanceof Error ? error.message : String(error));
    }
  };

  signal.addEventListener("abort", () => {
    clearTimeout(waiting);
    running.abort();
  });
  figure.on((state) => {
    const place = asked(state.key, state.prompt);
    if (place === now) return;
    first ||= place;
    touched ||= place !== first;
    now = place;
    clearTimeout(waiting);
    running.abort();
    if (wanting(state) && (touched || !state.scores)) waiting = setTimeout(() => void begin(state), REST);
  });
}

// The work behind the figure: after a rest the classifier reads what is not known yet; a new move cancels.
import { inSlices } from "../base/slices";
import { loadEncoder, loadTables } from "../reader/checkpoints";
import type { TinyEncoder } from "../reader/encoder";
import type { PlaygroundFigure } from "./figure";
import { everything, type Asking } from "./race";
import { resultsOf } from "./results";
import type { State } from "./state";
import { unpack } from "./vocabulary";

/** Milliseconds without a move after which the work begins. */
export const REST = 120;

/** Whether something is shown of which nothing is known. */
const wanting = ({ race, bound, mine }: State): boolean => !race || !bound || !mine.answer;

/** Follows a figure; nothing is loaded before its reader asks for what did not come with the page. */
export function work(figure: PlaygroundFigure): void {
  const { model, data, text, signal } = figure;
  const results = resultsOf(model);
  let now = "";
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let running = new AbortController();

  const tell = (status: string): void => {
    results.status = status;
    figure.update();
  };

  function* all(victim: TinyEncoder, { mine, of, order, seed }: State): Generator<void, void> {
    function* answered<Result>(asking: Asking<Result>): Generator<void, Result> {
      let step = asking.next();
      while (!step.done) {
        results.learn(step.value, victim.probabilities(step.value));
        yield;
        step = asking.next();
      }
      return step.value;
    }
    if (!results.known(mine.text)) {
      results.learn(mine.text, victim.probabilities(mine.text));
      figure.update();
      yield;
    }
    if (of) yield* answered(everything(of, order, seed, results.known));
  }

  const begin = async (): Promise<void> => {
    running.abort();
    running = new AbortController();
    const { signal: stopped } = running;
    try {
      if (!results.tables) tell(text.loading);
      const [victim, tables] = await Promise.all([
        loadEncoder(data.live, model, text),
        loadTables(data.tables, model, text, unpack),
      ]);
      if (stopped.aborted) return;
      results.tables = tables;
      const { verse } = figure.state;
      if (victim.tokens(verse) > victim.longest) results.cut.set(verse, victim.longest);
      results.status = "";
      figure.update(); // what may be done to a new text is known with the tables
      await inSlices(all(victim, figure.state), stopped);
      if (!stopped.aborted) figure.update();
    } catch (error) {
      if (!stopped.aborted) tell(error instanceof Error ? error.message : String(error));
    }
  };

  signal.addEventListener("abort", () => {
    clearTimeout(waiting);
    running.abort();
  });
  figure.on((state) => {
    const place = [state.verse, state.senses, state.order, state.seed, model.get("changes"), state.mine.text];
    const next = place.join("|");
    if (next === now) return;
    now = next;
    clearTimeout(waiting);
    running.abort();
    if (state.verse && wanting(state)) waiting = setTimeout(() => void begin(), REST);
  });
}

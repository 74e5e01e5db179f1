// Two ways not to keep every key and value: a state of fixed size, and retrieval.
import { choice, range } from "../../base/controls";
import { h, setText } from "../../base/dom";
import { atFullSize, bill } from "../bill";
import { breakEven, MACHINE, read, right, RIVALS } from "../cost";
import { onTopic, type LongContextFigure } from "../figure";
import { bytes, contextOf, percent, seconds } from "../units";

/** Keys and values against a state that does not grow. */
export function rival(figure: LongContextFigure): HTMLElement {
  const text = figure.text;
  const ways = ["none", ...RIVALS] as const;
  const rival = choice(
    text.rival,
    ways.map((name) => text.rivals[name]),
    (i) => figure.set({ rival: ways[i] }),
  );
  const line = h("p", { class: "fw-story" });
  onTopic(figure, "cost", (state) => {
    const found = bill(state).rival;
    rival.set(ways.indexOf(state.rival));
    line.hidden = !found;
    if (!found) return;
    const from = found.from === undefined ? text.noCrossing : text.crossing(found.from.toLocaleString("en"));
    setText(
      line,
      text.compared(
        text.rivals[state.rival],
        bytes(found.state),
        from,
        seconds(found.prefill),
        seconds(found.decode),
      ),
    );
    for (const [name, value] of Object.entries({
      state: found.state,
      from: found.from ?? "",
      prefill: found.prefill,
      decode: found.decode,
    }))
      line.setAttribute(`data-${name}`, String(value));
  });
  return h("div", { class: "fw-retrieval" }, h("div", { class: "fw-row fw-controls" }, rival.element), line);
}

/**
 * Retrieval against reading everything: how long a text
 * may be for the same money, and who is right more often.
 */
export function retrieval(figure: LongContextFigure): HTMLElement {
  const text = figure.text;
  const chunk = range(text.chunk, { min: 32, max: 1024, step: 32 }, (value) => figure.set({ chunk: value }));
  const passages = range(text.passages, { min: 1, max: 50, step: 1 }, (value) =>
    figure.set({ passages: value }),
  );
  const found = range(text.found, { min: 0, max: 1, step: 0.05 }, (value) => figure.set({ found: value }));
  const budget = range(text.budget, { min: 0, max: 20, step: 1 }, (i) =>
    figure.set({ budget: 2 ** (i / 2) }),
  );
  const line = h("p", { class: "fw-story" });
  onTopic(figure, "cost", (state) => {
    const { retrieval } = state;
    chunk.set(retrieval.chunk, String(retrieval.chunk));
    passages.set(retrieval.passages, String(retrieval.passages));
    found.set(retrieval.found, percent(retrieval.found));
    budget.set(Math.round(2 * Math.log2(state.budget)), `${Number(state.budget.toPrecision(3))}×`);
    const longest = breakEven(bill(state).model, atFullSize(state), retrieval, state.budget, MACHINE);
    line.replaceChildren(
      ...text
        .retrieved(read(retrieval), percent(right(retrieval)), Number(state.budget.toPrecision(3)))
        .flatMap((words, i) =>
          i ? [h("data", { value: longest, "data-name": "break-even" }, contextOf(longest)), words] : [words],
        ),
    );
  });
  return h(
    "div",
    { class: "fw-retrieval" },
    h("div", { class: "fw-caption" }, text.retrieval),
    h("div", { class: "fw-row fw-controls" }, chunk.element, passages.element, found.element, budget.element),
    line,
  );
}

// The tokens as chips, as dark as the attention between them and the one under study.
import { makePickable } from "../../base/chips";
import { choice } from "../../base/controls";
import { h, setAttribute, setText } from "../../base/dom";
import { setTabStop } from "../../base/keyboard";
import { columnOf, matrixShown, mostSaid, type HeadsFigure } from "../figure";
import type { Reading } from "../reading";

export function strip(figure: HeadsFigure): HTMLElement {
  const text = figure.text;
  const caption = h("span", { class: "fw-caption" });
  const direction = choice(text.direction, text.directions, (i) =>
    figure.set({ direction: i ? "to" : "from" }),
  );
  const list = h("div", { class: "fw-tokens", role: "listbox", "aria-orientation": "horizontal" });
  const keys = h("p", { class: "fw-tokens fw-keys" });
  const line = h("p", { class: "fw-line" });
  let reading: Reading | null = null;
  let chips: HTMLElement[] = [];
  let marks: HTMLElement[] = [];
  makePickable(list, {
    items: () => chips,
    pick: (token) => figure.set({ token }),
    signal: figure.signal,
  });
  figure.on((state) => {
    if (reading !== state.reading) {
      reading = state.reading;
      chips = reading.labels.map((label, i) =>
        h(
          "div",
          { class: "fw-chip", role: "option", "data-token": i },
          h("span", { class: "fw-token" }, label),
          h("span", { class: "fw-hidden" }),
        ),
      );
      list.replaceChildren(...chips);
      marks = (reading.keys ? reading.keyLabels : []).map((label) =>
        h("span", { class: "fw-chip" }, h("span", { class: "fw-token" }, label)),
      );
      keys.replaceChildren(
        ...(marks.length ? [h("span", { class: "fw-caption" }, text.keys), ...marks] : []),
      );
      keys.hidden = !marks.length;
    }
    const values = columnOf(state, matrixShown(state));
    const lit = reading.keys && state.from ? marks : chips;
    for (const chip of lit === chips ? marks : chips) chip.style.setProperty("--fw-part", "0");
    lit.forEach((chip, i) =>
      chip.style.setProperty("--fw-part", Math.sqrt(Math.max(0, values[i] ?? 0)).toFixed(3)),
    );
    chips.forEach((chip, i) => {
      setAttribute(chip, "aria-selected", String(i === state.token));
      setText(chip.children[1], text.tokenLabel(i, lit === chips ? (values[i] ?? 0).toFixed(2) : ""));
    });
    setTabStop(chips, state.token);
    direction.set(state.from ? 0 : 1);
    setText(caption, text.tokens(text.directions[state.from ? 0 : 1]));
    setAttribute(list, "aria-label", text.tokens(text.directions[state.from ? 0 : 1]));
    setText(line, mostSaid(text, state));
  });
  return h(
    "div",
    { class: "fw-panel" },
    h("div", { class: "fw-row" }, caption, direction.element),
    list,
    keys,
    line,
  );
}

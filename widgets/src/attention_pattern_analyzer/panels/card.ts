// The head's numbers, and how they are defined.
import { h, setText } from "../../base/dom";
import { number } from "../../base/figure";
import type { HeadsFigure } from "../figure";
import { KINDS, METRICS } from "../patterns";
import { headOf } from "../reading";

export function card(figure: HeadsFigure): HTMLElement {
  const text = figure.text;
  const caption = h("div", { class: "fw-caption" });
  const items = METRICS.map((metric) => {
    const value = h("dd", {});
    return {
      metric,
      value,
      element: h(
        "div",
        { class: "fw-score", title: text.definitions[metric] },
        h("dt", {}, text.metrics[metric]),
        value,
      ),
    };
  });
  figure.on((state) => {
    const own = headOf(state.reading, state.layer, state.head);
    setText(caption, `${text.headName(state.layer, state.head)} · ${text.kinds[own.kind]}`);
    items.forEach(({ metric, value, element }, i) => {
      const found = own.metrics[i];
      element.style.setProperty(
        "--fw-part",
        String(i < KINDS.length && Number.isFinite(found) ? Math.min(1, Math.max(0, found)) : 0),
      );
      value.replaceChildren(
        Number.isFinite(found) ? number(found, metric === "distance" ? 1 : 2, metric) : "–",
      );
    });
  });
  const bothWays = h("p", { class: "fw-line" }, text.bothWays);
  figure.on(({ reading }) => {
    bothWays.hidden = reading.causal || reading.keys !== null;
  });
  const definitions = h(
    "details",
    { class: "fw-compare" },
    h("summary", {}, text.definitionsTitle),
    h(
      "dl",
      { class: "fw-definitions" },
      ...METRICS.flatMap((metric) => [
        h("dt", {}, text.metrics[metric]),
        h("dd", {}, text.definitions[metric]),
      ]),
    ),
    h("p", { class: "fw-line" }, text.scoreNote),
    bothWays,
  );
  return h(
    "div",
    { class: "fw-panel" },
    caption,
    h("dl", { class: "fw-scores" }, ...items.map(({ element }) => element)),
    definitions,
  );
}

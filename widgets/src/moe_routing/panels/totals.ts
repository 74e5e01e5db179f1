// The routing in five numbers, and the tokens that found no place.
import { h, setAttribute, setText } from "../../base/dom";
import { assignments, type RoutingFigure } from "../figure";

/** How the numbers follow from the bars: f filled, P outlined, n assignments. */
const FORMULAS = {
  balance: "E·Σ f P",
  z: "⟨(ln Σ eᶻ)²⟩",
  cv: "σ(n) / n̄",
  entropy: "−Σ f log₂ f",
  dropped: "Σ max(n−C, 0) / kT",
} as const;

export function metrics(figure: RoutingFigure): HTMLElement {
  const { metrics, balanceNote, of } = figure.text;
  const { experts } = figure.data;
  const values = (["balance", "z", "cv", "entropy", "dropped"] as const).map((name) => {
    const value = h("data", { "data-name": name });
    const note = h("small", {}, name === "entropy" ? of(Math.log2(experts).toFixed(2)) : "");
    return {
      name,
      value,
      note,
      element: h(
        "div",
        {},
        h("dt", {}, metrics[name], " ", h("span", { class: "fw-definition" }, FORMULAS[name])),
        h("dd", {}, value, " ", note),
      ),
    };
  });
  figure.on(({ routing }) => {
    const exact = {
      balance: routing.balanceLoss,
      z: routing.zLoss,
      cv: routing.cv,
      entropy: routing.entropy,
      dropped: routing.dropFraction,
    };
    for (const { name, value, note } of values) {
      setAttribute(value, "value", String(exact[name]));
      setText(value, name === "dropped" ? `${(100 * exact[name]).toFixed(1)}%` : exact[name].toFixed(3));
      // A token sends at most 1/k of its assignments to one expert, so E Σ f P ≤ E/k.
      if (name === "balance")
        setText(note, balanceNote((experts / routing.topK).toFixed(experts % routing.topK ? 1 : 0)));
      if (name === "dropped")
        setText(
          note,
          `${Math.round(exact[name] * routing.tokens * routing.topK)}/${routing.tokens * routing.topK}`,
        );
    }
  });
  return h("dl", { class: "fw-metrics" }, ...values.map(({ element }) => element));
}

export function dropped(figure: RoutingFigure): HTMLElement {
  const line = h("p", { class: "fw-line fw-dropped-list" });
  figure.on((state) => {
    const lost = figure.data.labels.flatMap((label, i) =>
      assignments(state, i)
        .filter(({ kept }) => !kept)
        .map(({ expert }) => ({ label, expert, i })),
    );
    if (!lost.length) return line.replaceChildren(figure.text.noneDropped);
    const few = lost
      .slice(0, 40)
      .map(({ label, expert, i }) => h("span", { class: "fw-mini" }, h("s", {}, label), ` ${i}→E${expert}`));
    return line.replaceChildren(
      figure.text.droppedList(lost.length),
      " ",
      ...few,
      ...(lost.length > few.length ? [" …"] : []),
    );
  });
  return line;
}

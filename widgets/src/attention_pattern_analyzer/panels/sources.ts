// Which text and model, what it is compared with, and what the grid shows.
import { select } from "../../base/controls";
import { h } from "../../base/dom";
import { LENSES, type Lens } from "../choices";
import { titleOf, type HeadsFigure } from "../figure";
import type { AnalyzerStrings } from "../strings";

function lensName(lens: Lens, text: AnalyzerStrings): string {
  if (lens === "pattern") return text.patternLens;
  if (lens === "loss") return text.lossLens;
  return lens === "divergence" ? text.divergenceLens : text.metrics[lens];
}

export function sources(figure: HeadsFigure): HTMLElement {
  const text = figure.text;
  const row = h("div", { class: "fw-row fw-controls" });
  const names = figure.data.map((reading) => titleOf(figure, reading));
  if (figure.data.length > 1) {
    const example = select(text.example, names, (i) => {
      const { weights } = figure.data[i];
      figure.set({
        layer: Math.min(figure.state.layer, weights.layers - 1),
        head: Math.min(figure.state.head, weights.heads - 1),
        token: Math.min(figure.state.token, weights.length - 1),
        brush: [],
        example: i,
      });
    });
    const versus = select(text.versus, [text.none, ...names], (i) => figure.set({ versus: i - 1 }));
    figure.on((state) => {
      example.set(state.index);
      versus.set(state.versus ? state.versusIndex + 1 : 0);
    });
    row.append(example.element, versus.element);
  }
  const measured = figure.data.some((reading) => reading.ablation.length);
  const lenses = LENSES.filter((lens) => measured || (lens !== "loss" && lens !== "divergence"));
  const lens = select(
    text.lens,
    lenses.map((one) => lensName(one, text)),
    (i) => figure.set({ lens: lenses[i] }),
  );
  figure.on((state) => lens.set(lenses.indexOf(state.lens)));
  row.append(lens.element);
  return row;
}

// Which groups of tokens go to which experts, and what the loss is without an expert.
import { h } from "../../base/dom";
import { number } from "../../base/figure";
import { picture } from "../../base/shapes";
import { drawAblation, signed } from "../drawings/ablation";
import { columns } from "../drawings/columns";
import { drawMatrix } from "../drawings/matrix";
import { drawingWidth, groupName, type RoutingFigure } from "../figure";
import { specialisation } from "../groups";
import { mutualInformation, shuffledInformation } from "../math";
import { ablationOf } from "../state";

/** Permutations behind the baseline of the specialisation. */
const SHUFFLES = 100;

export function matrix(figure: RoutingFigure): HTMLElement[] {
  if (new Set(figure.data.groups).size < 2) return [];
  const place = h("div", { class: "fw-drawing" });
  const paint = picture(place);
  figure.on((state) => {
    const matrix = specialisation(state);
    const names = matrix.groups.map((group) => groupName(figure, group));
    const drawing = drawMatrix(matrix, names, columns(drawingWidth(figure), figure.data.experts));
    const said = matrix.share
      .map(
        (row, i) => `${names[i]}: ${row.map((share, e) => `E${e} ${Math.round(100 * share)}%`).join(", ")}`,
      )
      .join("; ");
    paint(drawing, figure.text.matrixLabel(said));
  });
  const line = h("p", { class: "fw-line" });
  const numbers = figure.data.groups.map((group) => [...new Set(figure.data.groups)].indexOf(group));
  let key = "";
  figure.on(({ routing, snapshot, layer, options }) => {
    const next = [snapshot, layer, options.topK].join(); // nothing else changes who chose whom
    if (next === key) return;
    key = next;
    const chance = shuffledInformation(routing, numbers, SHUFFLES);
    line.replaceChildren(
      figure.text.information,
      " ",
      number(mutualInformation(routing, numbers), 2, "information"),
      figure.text.chance(SHUFFLES),
      " ",
      number(chance[Math.floor(0.95 * SHUFFLES)], 2, "chance"),
      figure.text.chanceNote,
    );
  });
  return [h("div", {}, h("div", { class: "fw-caption" }, figure.text.matrix), place, line)];
}

export function ablation(figure: RoutingFigure): HTMLElement[] {
  const text = figure.text;
  const { ablation, ablationTokens, snapshots } = figure.data;
  if (!ablation.length) return [];
  const place = h("div", { class: "fw-drawing" });
  const paint = picture(place);
  const line = h("p", { class: "fw-line" });
  figure.on((state) => {
    const found = ablationOf(state) ?? [];
    paint(
      drawAblation(state, columns(drawingWidth(figure), figure.data.experts)),
      text.ablationLabel(
        found.map(({ change, error }, e) => `E${e} ${signed(change, 3)} ± ${error.toFixed(3)}`).join(", "),
      ),
    );
    const whole = snapshots[state.snapshot].val_loss;
    line.hidden = state.expert < 0;
    if (state.expert < 0) return;
    const { change, error } = found[state.expert];
    line.replaceChildren(
      ...(whole === undefined
        ? [`E${state.expert}:`]
        : [text.ablationOne(state.expert, whole.toFixed(3), (whole + change).toFixed(3))]),
      " ",
      h("data", { value: String(change), "data-name": "ablation" }, signed(change, 3)),
      ` ± ${error.toFixed(3)}`,
    );
  });
  return [h("div", {}, h("div", { class: "fw-caption" }, text.ablation(ablationTokens)), place, line)];
}

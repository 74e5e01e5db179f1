// What the loss is without an expert.
import { label, sheet, svg, type Drawing, type Shape } from "../../base/shapes";
import { hue, type Columns } from "./columns";
import { ablationOf, type State } from "../state";

/** Change of the held-out loss without each expert; the whiskers are two standard errors. */
export function drawAblation(state: State, { gutter, column, width }: Columns): Drawing {
  const found = ablationOf(state) ?? [];
  const tall = 64;
  const top = 4;
  // One scale for all layers of the snapshot, so that they can
  // be compared; never so fine that noise fills the panel.
  const { data, snapshot } = state;
  const size = data.layers * data.experts;
  let most = 0.01;
  let least = 0;
  for (let i = snapshot * size; i < (snapshot + 1) * size; i++) {
    most = Math.max(most, data.ablation[2 * i] + 2 * data.ablation[2 * i + 1]);
    least = Math.min(least, data.ablation[2 * i] - 2 * data.ablation[2 * i + 1]);
  }
  least = Math.max(least, -most);
  const y = (value: number): number =>
    top + (tall * (most - Math.max(least, Math.min(most, value)))) / (most - least);
  const bar = Math.min(22, column * 0.45);
  const parts: Shape[] = [];
  found.forEach(({ change, error }, e) => {
    const middle = gutter + (e + 0.5) * column;
    if (e === state.expert)
      parts.push(
        svg("rect", {
          x: middle - column / 2 + 1,
          y: 0,
          width: column - 2,
          height: top + tall + 20,
          fill: "var(--fw-mark)",
          rx: 3,
        }),
      );
    parts.push(
      svg("rect", {
        x: middle - bar / 2,
        y: Math.min(y(change), y(0)),
        width: bar,
        height: Math.abs(y(change) - y(0)),
        fill: hue(e),
        stroke: "var(--fw-ink)",
        "stroke-width": 0.6,
      }),
      svg("path", {
        d: `M${middle} ${y(change - 2 * error)}V${y(change + 2 * error)}`,
        stroke: "var(--fw-ink)",
        "stroke-width": 1.2,
        fill: "none",
      }),
      label(middle, top + tall + 14, signed(change, column < 40 ? 2 : 3), {
        "text-anchor": "middle",
        "font-size": column < 44 ? 9 : 11,
      }),
    );
  });
  parts.push(
    svg("path", { d: `M${gutter} ${y(0)}H${width}`, stroke: "var(--fw-line)", fill: "none" }),
    label(gutter - 8, y(0) + 4, "0", { "text-anchor": "end" }),
    label(gutter - 8, top + 10, `+${most.toFixed(2)}`, { "text-anchor": "end" }),
  );
  return sheet(width, top + tall + 20, ...parts);
}

/** A change with its sign; what rounds to nothing has none. */
export function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}

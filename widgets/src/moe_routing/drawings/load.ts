// How much each expert gets: the share of assignments f beside the mean probability P.
import { label, sheet, svg, type Drawing, type Shape } from "../../base/shapes";
import { hue, type Columns } from "./columns";
import type { State } from "../state";
import type { Strings } from "../strings";

export function drawLoad(state: State, text: Strings, { gutter, column, width }: Columns): Drawing {
  const { f, P, experts } = state.routing;
  const top = 6;
  const tall = 76;
  const base = top + tall;
  const most = Math.max(2 / experts, ...f, ...P);
  const parts: Shape[] = [];
  const bar = Math.min(18, column * 0.32);
  for (let e = 0; e < experts; e++) {
    const middle = gutter + (e + 0.5) * column;
    const high = (f[e] / most) * tall;
    const mean = (P[e] / most) * tall;
    parts.push(
      svg("rect", {
        x: middle - bar - 1,
        y: base - high,
        width: bar,
        height: high,
        fill: hue(e),
        stroke: "var(--fw-ink)",
        "stroke-width": 0.6,
      }),
      svg("rect", {
        x: middle + 1,
        y: base - mean,
        width: bar,
        height: mean,
        fill: "var(--fw-surface)",
        stroke: hue(e),
        "stroke-width": 2,
      }),
      svg("rect", {
        x: middle + 1,
        y: base - mean,
        width: bar,
        height: mean,
        fill: "none",
        stroke: "var(--fw-ink)",
        "stroke-width": 0.6,
        "stroke-dasharray": "2 1.5",
      }),
    );
    const size = column < 44 ? 9 : 11;
    const digits = column < 40 ? 2 : 3;
    parts.push(
      label(middle, base + 14, f[e].toFixed(digits), { "text-anchor": "middle", "font-size": size }),
    );
    parts.push(
      label(middle, base + 28, P[e].toFixed(digits), { "text-anchor": "middle", "font-size": size }),
    );
  }
  const level = base - (1 / experts / most) * tall;
  parts.push(
    svg("path", {
      d: `M${gutter - 4} ${level}H${width}`,
      stroke: "var(--fw-ink)",
      "stroke-dasharray": "5 3",
      fill: "none",
    }),
    svg("path", { d: `M${gutter} ${base}H${width}`, stroke: "var(--fw-line)", fill: "none" }),
    label(gutter - 8, level + 4, gutter < 70 ? `1/${experts}` : `${text.uniform} 1/${experts}`, {
      "text-anchor": "end",
    }),
    label(gutter - 8, base + 14, "f ■", { "text-anchor": "end" }),
    label(gutter - 8, base + 28, "P □", { "text-anchor": "end" }),
  );
  return sheet(width, base + 34, ...parts);
}

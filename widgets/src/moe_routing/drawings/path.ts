// A token's way through the layers.
import { label, sheet, svg, type Drawing, type Shape } from "../../base/shapes";
import { hue, type Columns } from "./columns";
import type { TokenPath } from "../math";
import type { State } from "../state";
import type { Strings } from "../strings";

/** Layers from top to bottom: the token's experts as discs whose area is the weight, first choices joined. */
export function drawPath(
  state: State,
  text: Strings,
  way: TokenPath,
  { gutter, column, width }: Columns,
): Drawing {
  const layers = way.chosen.length;
  const tall = layers > 12 ? 16 : 26;
  const middle = (e: number): number => gutter + (e + 0.5) * column;
  const y = (layer: number): number => (layer + 0.5) * tall;
  const most = Math.min(tall, column) / 2 - 2;
  const parts: Shape[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const here = layer === state.layer;
    parts.push(
      svg(
        "g",
        { "data-layer": layer },
        svg("rect", {
          x: 0,
          y: layer * tall,
          width,
          height: tall,
          fill: here ? "var(--fw-mark)" : "var(--fw-surface)",
        }),
        label(gutter - 8, y(layer) + 4, gutter < 70 ? String(layer) : `${text.layer} ${layer}`, {
          "text-anchor": "end",
          "font-weight": here ? 700 : 400,
          "pointer-events": "none",
        }),
      ),
    );
    for (let e = 0; e < state.data.experts; e++)
      parts.push(
        svg("circle", {
          cx: middle(e),
          cy: y(layer),
          r: 2,
          fill: "var(--fw-line)",
          "pointer-events": "none",
        }),
      );
  }
  const points = way.chosen.map((chosen, layer) => `${middle(chosen[0])} ${y(layer)}`);
  parts.push(
    svg("path", {
      d: `M${points.join("L")}`,
      fill: "none",
      stroke: "var(--fw-ink)",
      "stroke-width": 1.5,
      "pointer-events": "none",
    }),
  );
  way.chosen.forEach((chosen, layer) =>
    chosen.forEach((e, rank) => {
      parts.push(
        svg("circle", {
          cx: middle(e),
          cy: y(layer),
          r: Math.max(2.5, most * Math.sqrt(way.weights[layer][rank])),
          fill: hue(e),
          stroke: "var(--fw-ink)",
          "stroke-width": rank ? 0.6 : 1.5,
          "stroke-dasharray": rank ? "2 1.5" : null,
          "pointer-events": "none",
        }),
      );
    }),
  );
  return sheet(width, layers * tall, ...parts);
}

// Where each group's assignments go, as a table of shares.
import { label, sheet, svg, type Drawing, type Shape } from "../../base/shapes";
import { fit } from "../../base/text";
import type { Matrix } from "../groups";
import { hue, type Columns } from "./columns";

export function drawMatrix(matrix: Matrix, names: string[], { gutter, column, width }: Columns): Drawing {
  const tall = 20;
  const parts: Shape[] = [];
  matrix.share.forEach((row, i) => {
    const y = 2 + i * (tall + 2);
    parts.push(label(gutter - 8, y + 14, fit(names[i], gutter - 8, 11), { "text-anchor": "end" }));
    row.forEach((share, e) => {
      const x = gutter + e * column + 1;
      parts.push(
        svg("rect", {
          x,
          y,
          width: column - 2,
          height: tall,
          rx: 2,
          fill: "var(--fw-surface)",
          stroke: "var(--fw-line)",
        }),
      );
      parts.push(
        svg("rect", {
          x,
          y: y + tall * (1 - Math.min(1, share * 2)),
          width: column - 2,
          height: tall * Math.min(1, share * 2),
          rx: 2,
          fill: hue(e),
          "fill-opacity": 0.35,
        }),
      );
      parts.push(
        label(x + column / 2 - 1, y + 14, share ? `${Math.round(100 * share)}%` : "·", {
          "text-anchor": "middle",
          "font-size": column < 44 ? 9.5 : 11,
        }),
      );
    });
  });
  return sheet(width, 2 + matrix.share.length * (tall + 2), ...parts);
}

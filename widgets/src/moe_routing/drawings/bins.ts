// Every expert's slots, filled in the order in which its tokens come.
import { label, sheet, svg, type Drawing, type Shape } from "../../base/shapes";
import { fit } from "../../base/text";
import { hue, MONO, type Columns } from "./columns";
import type { State } from "../state";
import type { Strings } from "../strings";

function cross(x: number, y: number, width: number, height: number): Shape {
  return svg("path", {
    d: `M${x} ${y}l${width} ${height}M${x} ${y + height}l${width} ${-height}`,
    stroke: "var(--fw-bad)",
    "stroke-width": 1.2,
    fill: "none",
  });
}

/** Heights of a token's box in a bin, pixels; from 11 up it holds its text. */
const CELLS = [15, 12.5, 11, 9, 7, 5, 4, 3, 2, 1.5];

export function drawBins(state: State, text: Strings, { gutter, column, width }: Columns): Drawing {
  const { routing, data } = state;
  const { capacity, topK } = routing;
  const longest = Math.max(capacity ?? 0, ...routing.counts, 1);
  // A few sizes only: a bin that grows by one token must not redraw all the others in another size.
  const cell = CELLS.find((size) => size * longest <= 300) ?? CELLS[CELLS.length - 1];
  const top = 4;
  const height = top + longest * cell + 6;
  const inner = column - Math.min(6, column * 0.15);
  const parts: Shape[] = [];

  for (let e = 0; e < routing.experts; e++) {
    const x = gutter + e * column + (column - inner) / 2;
    if (e === state.expert)
      parts.push(svg("rect", { x: x - 2, y: 0, width: inner + 4, height, fill: "var(--fw-mark)", rx: 3 }));
    if (capacity === null) continue;
    const slots = cell >= 5 ? capacity : 1;
    for (let slot = 0; slot < slots; slot++) {
      const tall = cell >= 5 ? cell - 1.5 : capacity * cell;
      parts.push(
        svg("rect", {
          x,
          y: top + slot * cell,
          width: inner,
          height: tall,
          rx: 2,
          fill: "none",
          stroke: "var(--fw-line)",
          class: "fw-slot",
        }),
      );
    }
  }

  const lost = new Int32Array(routing.experts);
  for (let token = 0; token < routing.tokens; token++) {
    for (let rank = 0; rank < topK; rank++) {
      const at = token * topK + rank;
      const e = routing.chosen[at];
      const kept = routing.kept[at] === 1;
      const x = gutter + e * column + (column - inner) / 2;
      const y = top + (kept ? routing.slots[at] : (capacity ?? 0) + lost[e]++) * cell;
      const tall = cell >= 5 ? cell - 1.5 : cell;
      // In coordinates of its own, so that a token that goes elsewhere is moved, not drawn again.
      const box = svg(
        "g",
        {
          "data-token": token,
          class: kept ? "fw-kept" : "fw-dropped",
          transform: `translate(${x} ${y})`,
          fill: hue(e),
        },
        svg(
          "rect",
          kept
            ? { width: inner, height: tall, rx: cell >= 5 ? 2 : 0, "fill-opacity": 0.25 }
            : {
                width: inner,
                height: tall,
                rx: cell >= 5 ? 2 : 0,
                fill: "var(--fw-surface)",
                stroke: "var(--fw-bad)",
                "stroke-dasharray": "2 2",
              },
        ),
        kept ? svg("rect", { width: 4, height: tall }) : cross(0, 0, inner, tall),
      );
      if (cell >= 11 && inner > 20) {
        box.children.push(
          label(7, cell - 4.5, fit(data.labels[token], inner - 8, Math.min(10, cell - 3)), {
            "font-size": Math.min(10, cell - 3),
            "font-family": MONO,
            "pointer-events": "none",
          }),
        );
      }
      if (token === state.token)
        box.children.push(
          svg("rect", {
            x: -0.5,
            y: -0.5,
            width: inner + 1,
            height: tall + 1,
            rx: 2,
            fill: "none",
            stroke: "var(--fw-ink)",
            "stroke-width": 2,
          }),
        );
      parts.push(box);
    }
  }
  if (capacity !== null) {
    const y = top + capacity * cell - 0.5;
    parts.push(
      svg("path", {
        d: `M${gutter - 6} ${y}H${width}`,
        stroke: "var(--fw-ink)",
        "stroke-dasharray": "4 3",
        fill: "none",
      }),
    );
    parts.push(label(gutter - 8, y + 4, text.capacityLine(capacity), { "text-anchor": "end" }));
  } else {
    parts.push(label(gutter - 8, top + 10, text.dropless, { "text-anchor": "end" }));
  }
  return sheet(width, height, ...parts);
}

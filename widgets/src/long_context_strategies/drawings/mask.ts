// The mask and its reach through the layers.
import { label, sheet, svg, type Drawing, type Shape } from "../../base/shapes";
import type { State } from "../state";

/** Runs of cells of a row as one path: [row, first, length]. */
function cells(state: State, wanted: (at: number) => boolean, size: number): string {
  const n = state.tokens;
  let path = "";
  for (let row = 0; row < n; row++) {
    let run = 0;
    for (let column = 0; column <= n; column++) {
      if (column < n && wanted(row * n + column)) run++;
      else if (run) {
        const [x, y, wide, tall] = [column - run, row, run, 1].map((at) => (at * size).toFixed(2));
        path += `M${x} ${y}h${wide}v${tall}h-${wide}z`;
        run = 0;
      }
    }
  }
  return path;
}

/** Cells that a token reaches through `layers` layers, [n · n]: the mask, that many times. */
export function reached(mask: Uint8Array, n: number, layers: number): Uint8Array {
  const lists = Array.from({ length: n }, (_, row) => {
    const seen: number[] = [];
    for (let column = 0; column < n; column++) if (mask[row * n + column]) seen.push(column);
    return seen;
  });
  const found = new Uint8Array(n * n);
  for (let row = 0; row < n; row++) {
    const own = found.subarray(row * n, (row + 1) * n);
    own[row] = 1;
    let front = [row];
    for (let layer = 0; layer < layers && front.length; layer++) {
      const next: number[] = [];
      for (const from of front)
        for (const to of lists[from])
          if (!own[to]) {
            own[to] = 1;
            next.push(to);
          }
      front = next;
    }
  }
  return found;
}

export function drawMask(state: State, width: number): Drawing {
  const n = state.tokens;
  const side = Math.min(width - 2, 384);
  const size = side / n;
  const far = state.layers > 1 ? reached(state.mask, n, state.layers) : state.mask;
  return sheet(
    side + 2,
    side + 2,
    svg(
      "g",
      { transform: "translate(1 1)" },
      svg("rect", {
        x: 0,
        y: 0,
        width: side,
        height: side,
        fill: "var(--fw-panel)",
        stroke: "var(--fw-line)",
      }),
      svg("path", {
        d: cells(state, (at) => far[at] === 1 && !state.mask[at], size),
        fill: "var(--fw-e4)",
        "fill-opacity": 0.45,
      }),
      svg("path", { d: cells(state, (at) => state.mask[at] === 1, size), fill: "var(--fw-e0)" }),
      svg("rect", {
        x: 0,
        y: (n - 1) * size,
        width: side,
        height: size,
        fill: "none",
        stroke: "var(--fw-ink)",
        "stroke-width": 1.5,
      }),
    ),
  );
}

export function drawStrip(state: State, width: number): Drawing {
  const n = state.tokens;
  const side = Math.min(width - 2, 384);
  const size = side / n;
  const parts: Shape[] = [];
  for (let token = 0; token < n; token++) {
    const after = state.seenAfter[token];
    const within = after >= 0 && after <= state.layers;
    parts.push(
      svg("rect", {
        x: token * size,
        y: 0,
        width: size,
        height: 16,
        fill: within ? (after <= 1 ? "var(--fw-e0)" : "var(--fw-e4)") : "var(--fw-panel)",
        "fill-opacity": within && after > 1 ? 0.45 : 1,
        stroke: "var(--fw-surface)",
        "stroke-width": 0.5,
      }),
    );
  }
  // Numbers where they change, from the right: a number a token would not be readable.
  let last = NaN;
  let free = side + 20;
  for (let token = n - 1; token >= 0; token--) {
    const after = state.seenAfter[token];
    const at = (token + 0.5) * size;
    if (after !== last && at <= free - 15) {
      parts.push(label(at, 29, after < 0 ? "·" : String(after), { "text-anchor": "middle" }));
      free = at;
    }
    last = after;
  }
  return sheet(side + 2, 34, svg("g", { transform: "translate(1 1)" }, ...parts));
}

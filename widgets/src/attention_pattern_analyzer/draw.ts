// Pictures of heads: small ones for the grid and a large one, on canvases because they have up to a quarter
// of a million cells, and the scatter and the exported figure as drawings.
import { chart, ticks, type Plot } from "../base/chart";
import { label, sheet, svg, type Drawing, type Shape } from "../base/shapes";
import { matrixOf } from "./matrices";
import { KINDS, METRICS, type Metric } from "./patterns";
import { headOf, type Head, type Reading } from "./reading";
import { dimmed, lensValue, type State } from "./state";
import type { AnalyzerStrings } from "./strings";

export type Matrix = ArrayLike<number>;

/** Colours of one figure as three numbers each. */
export interface Ink {
  paper: number[];
  more: number[];
  less: number[];
  line: string;
  text: string;
}

/** A colour of the style sheet in numbers; every one that a canvas paints from is `#rrggbb`. */
function rgb(hex: string): number[] {
  const digits = hex.trim().replace("#", "");
  return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16));
}

export function inkOf(root: HTMLElement): Ink {
  const style = getComputedStyle(root);
  const variable = (name: string): string => style.getPropertyValue(name).trim() || "#808080";
  return {
    paper: rgb(variable("--fw-surface")),
    more: rgb(variable("--fw-heat")),
    less: rgb(variable("--fw-e5")),
    line: variable("--fw-line"),
    text: variable("--fw-ink"),
  };
}

const LEVELS = 255;

/**
 * Pixels of every level between paper and an ink, as a
 * canvas keeps them; the root makes small weights visible.
 */
function ramp(paper: number[], ink: number[]): Uint32Array {
  const bytes = new Uint8ClampedArray(4 * (LEVELS + 1));
  for (let level = 0; level <= LEVELS; level++) {
    paper.forEach((from, i) => (bytes[4 * level + i] = from + ((ink[i] - from) * level) / LEVELS));
    bytes[4 * level + 3] = 255;
  }
  return new Uint32Array(bytes.buffer);
}

/**
 * The largest weight of each block, [side · side] at most: what a small picture can show. From packed rows,
 * without the whole matrix.
 */
export function thumbnail(
  { weights }: Reading,
  layer: number,
  head: number,
  side: number,
): { values: Float32Array; rows: number; columns: number } {
  const rows = Math.min(weights.length, side);
  const columns = Math.min(weights.size, side);
  const found = new Float32Array(rows * columns);
  for (let t = 0; t < weights.length; t++) {
    const row = Math.floor((t * rows) / weights.length) * columns;
    weights.row(layer, head, t, (s, value) => {
      const at = row + Math.floor((s * columns) / weights.size);
      if (value > found[at]) found[at] = value;
    });
  }
  return { values: found, rows, columns };
}

/** Fill a canvas with one pixel a cell; the style sheet makes it larger. */
export function paint(
  canvas: HTMLCanvasElement,
  values: Matrix,
  rows: number,
  columns: number,
  ink: Ink,
): void {
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  // Differences keep their sign by colour.
  const [more, less] = [ramp(ink.paper, ink.more), ramp(ink.paper, ink.less)];
  pixels.fill(more[0]);
  for (let at = 0; at < rows * columns; at++) {
    const value = values[at];
    if (value > 0) pixels[at] = more[Math.min(LEVELS, Math.round(LEVELS * Math.sqrt(value)))];
    else if (value < 0) pixels[at] = less[Math.min(LEVELS, Math.round(LEVELS * Math.sqrt(-value)))];
  }
  context.putImageData(image, 0, 0);
}

/**
 * Both readings' difference for one head, the other minus the
 * shown one's; null where their tokens do not match in number.
 */
export function difference(state: State, layer: number, head: number): Float32Array | null {
  const { reading, versus, weighting, residual } = state;
  if (
    !versus ||
    versus.tokens.length !== reading.tokens.length ||
    versus.weights.size !== reading.weights.size
  )
    return null;
  if (layer >= versus.weights.layers || head >= versus.weights.heads) return null;
  const own = matrixOf(reading, layer, head, weighting, residual);
  const other = matrixOf(versus, layer, head, weighting, residual);
  return Float32Array.from({ length: own.length }, (_, at) => own[at] - other[at]);
}

/** Ends of a metric's axis over all heads; scores always include 0 and 1. */
export function extent(heads: Head[], metric: Metric): [number, number] {
  const values = heads.map(({ metrics }) => metrics[METRICS.indexOf(metric)]).filter(Number.isFinite);
  const score = (KINDS as readonly string[]).includes(metric) || metric === "sink";
  const low = Math.min(0, ...values);
  const high = Math.max(score ? 1 : 0, ...values);
  return [Math.floor(low * 10) / 10, high > low ? Math.ceil(high * 10) / 10 : low + 1];
}

/** One mark for each head: its kind's letter, so that colour does not stand alone. */
export function drawScatter(state: State, text: AnalyzerStrings, width: number, height = 250): Plot {
  const { reading, x, y, brush } = state;
  const [xs, ys] = [extent(reading.heads, x), extent(reading.heads, y)];
  const plane = chart({
    width,
    height,
    lines: [],
    shaded: brush.length ? [{ x: [brush[0], brush[1]], y: [brush[2], brush[3]] }] : [],
    x: { from: xs[0], to: xs[1], label: text.metrics[x], ticks: ticks(...xs, 5) },
    y: { from: ys[0], to: ys[1], ticks: ticks(...ys, 5) },
  });
  const { drawing, px, py } = plane;
  const marks: Shape[] = [];
  for (const head of reading.heads) {
    const [a, b] = [head.metrics[METRICS.indexOf(x)], head.metrics[METRICS.indexOf(y)]];
    if (!Number.isFinite(a) || !Number.isFinite(b)) continue;
    const chosen = head.layer === state.layer && head.head === state.head;
    const faint = dimmed(state, head);
    marks.push(
      svg("circle", {
        cx: px(a),
        cy: py(b),
        r: chosen ? 10 : 8,
        fill: kindFill(head),
        "fill-opacity": faint ? 0.15 : 0.55,
        stroke: chosen ? "var(--fw-ink)" : "none",
        "stroke-width": 2,
        "data-head": `${head.layer}.${head.head}`,
      }),
      label(px(a), py(b) + 3.5, text.letters[head.kind], {
        "text-anchor": "middle",
        "font-size": 10,
        "font-weight": 700,
        opacity: faint ? 0.35 : 1,
        "pointer-events": "none",
      }),
    );
  }
  const name = label(px(xs[0]), 9, `↑ ${text.metrics[y]}`, { fill: "var(--fw-soft)" });
  return { ...plane, drawing: { ...drawing, children: [...drawing.children, ...marks, name] } };
}

export function kindFill({ kind }: Head): string {
  return kind === "mixed" ? "var(--fw-panel)" : `var(--fw-e${KINDS.indexOf(kind)})`;
}

/** The whole figure as one drawing, for the downloaded files: the grid and the head under study. */
export function drawFigure(state: State, text: AnalyzerStrings, root: HTMLElement): Drawing {
  const { reading } = state;
  const { layers, heads, length, size } = reading.weights;
  const ink = inkOf(root);
  const canvas = document.createElement("canvas");
  const picture = (
    values: Matrix,
    rows: number,
    columns: number,
    x: number,
    y: number,
    wide: number,
  ): Shape => {
    paint(canvas, values, rows, columns, ink);
    return svg("image", {
      x,
      y,
      width: wide,
      height: (wide * rows) / columns,
      href: canvas.toDataURL("image/png"),
      preserveAspectRatio: "none",
      style: "image-rendering: pixelated",
    });
  };
  const cell = Math.max(18, Math.min(44, Math.floor(340 / heads)));
  const parts: Shape[] = [label(16, 24, text.title, { "font-size": 14, "font-weight": 700 })];
  const top = 58;
  for (const one of reading.heads) {
    const small = thumbnail(reading, one.layer, one.head, 24);
    const [x, y] = [40 + one.head * (cell + 4), top + one.layer * (cell + 16)];
    parts.push(picture(small.values, small.rows, small.columns, x, y, cell));
    const value = lensValue(reading, one, state.lens, state.removal);
    parts.push(
      label(x, y + cell + 11, Number.isFinite(value) ? value.toFixed(2) : text.letters[one.kind], {
        "font-size": 9,
      }),
    );
  }
  for (let layer = 0; layer < layers; layer++)
    parts.push(label(16, top + layer * (cell + 16) + cell / 2 + 4, `L${layer}`));
  const left = 60 + heads * (cell + 4);
  const chosen = headOf(reading, state.layer, state.head);
  const name = text.headName(state.layer, state.head);
  const title = [name, text.kinds[chosen.kind], text.weightings[state.weighting]].join(" · ");
  parts.push(label(left, 50, title));
  parts.push(
    picture(
      matrixOf(reading, state.layer, state.head, state.weighting, state.residual),
      length,
      size,
      left,
      top,
      300,
    ),
  );
  const small = { "font-size": Math.min(9, 300 / length) };
  const row = 300 / size;
  if (length <= 40)
    reading.labels.forEach((token, t) => {
      parts.push(label(left + 304, top + (t + 0.5) * row + 3, token, small));
    });
  const height = Math.max(top + layers * (cell + 16), top + (300 * length) / size) + 16;
  const width = left + 380;
  return sheet(width, height, svg("rect", { width, height, fill: "var(--fw-surface)" }), ...parts);
}

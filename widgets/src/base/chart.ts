// A chart as one drawing: two axes, linear or logarithmic, lines told apart by colour, dash and mark. D3 does
// the arithmetic of its scales; it is drawn by hand because a plotting library is larger than a component may
// be, and draws into no `Shape`.
import { scaleLinear, scaleLog } from "d3-scale";
import { label, sheet, svg, type Drawing, type Shape } from "./shapes";
import { textWidth } from "./text";

export interface Axis {
  from: number;
  to: number;
  log?: boolean;
  label?: string;
  /** Where the ticks are, and what they say. */
  ticks: [number, string][];
}

export interface Line {
  points: [number, number][];
  color: string;
  name?: string;
  dash?: string;
  width?: number;
  /** A mark at every point: "dot", "square" or none. */
  mark?: "dot" | "square";
  /** Lowest and highest at each point, drawn as a bar. */
  range?: [number, number][];
}

export interface Chart {
  width: number;
  height: number;
  x: Axis;
  y: Axis;
  lines: Line[];
  /** Where lines are named: in rows over the plane, or at their ends where there is room beside it. */
  named?: "legend" | "ends";
  /** Parts of the plane that are shaded, in the axes' units. */
  shaded?: { x?: [number, number]; y?: [number, number] }[];
  /** Straight lines across, with a word at their end. */
  rules?: { x?: number; y?: number; name?: string; dash?: string }[];
}

/** From values to the drawing's units, cut off at the ends of the axis, and back. */
export interface Scale {
  (value: number): number;
  invert(at: number): number;
}

/** Where a chart's plane lies in its drawing, and the drawing. */
export interface Plot {
  drawing: Drawing;
  px: Scale;
  py: Scale;
}

/** Room around the plane for the axes' words, and the height of a row of the legend. */
export const ROOM = { left: 48, right: 12, top: 10, bottom: 34, legend: 16 };

function scale({ from, to, log }: Axis, start: number, end: number): Scale {
  const found = (log ? scaleLog() : scaleLinear()).domain([from, to]).range([start, end]).clamp(true);
  // A logarithm takes no zero: what is below the axis stands
  // at its beginning. What is no number has no place.
  const place = (value: number): number => found(log ? Math.max(value, Math.min(from, to)) : value) ?? NaN;
  return Object.assign(place, { invert: (at: number) => found.invert(at) });
}

/** Ticks of a linear axis at round numbers, about so many, with as many decimals as they need. */
export function ticks(from: number, to: number, count: number): [number, string][] {
  const axis = scaleLinear().domain([from, to]);
  const words = axis.tickFormat(count);
  return axis.ticks(count).map((value) => [value, words(value).replace("\u2212", "-")]);
}

/** Powers of a base within a logarithmic axis; where there are more than `most`, not every one. */
export function powers(from: number, to: number, base = 10, most = 7): number[] {
  const axis = scaleLog().base(base).domain([from, to]);
  const within = Math.floor(Math.log(to / from) / Math.log(base) + 1e-9);
  return axis.ticks(Math.min(within, most));
}

type Style = Pick<Line, "color" | "mark">;

function marked({ color, mark }: Style, x: number, y: number): Shape[] {
  if (!mark) return [];
  return [
    mark === "dot"
      ? svg("circle", { cx: x, cy: y, r: 3, fill: color })
      : svg("rect", { x: x - 2.7, y: y - 2.7, width: 5.4, height: 5.4, fill: color }),
  ];
}

/** Narrowest chart that has room for names beside its plane, and how far they stand from each other. */
const NAMES_BESIDE = 480;
const NAME_STEP = 13;

/** Heights of names beside the plane: as near to their lines as they can be without touching. */
export function apart(levels: number[], step: number, top: number, bottom: number): number[] {
  const order = levels.map((_, i) => i).sort((a, b) => levels[a] - levels[b]);
  const found = [...levels];
  order.forEach((i, k) => {
    found[i] = Math.max(levels[i], k ? found[order[k - 1]] + step : top);
  });
  let least = bottom;
  for (const i of [...order].reverse()) {
    found[i] = Math.min(found[i], least);
    least = found[i] - step;
  }
  return found;
}

/** A line's sign in the legend and the gap after its name. */
const KEY = 30;

/** The legend: a flow of lines' names over the plane. */
function legendRows(lines: Line[], inner: number): { line: Line; from: number; row: number }[] {
  const found: { line: Line; from: number; row: number }[] = [];
  let row = 0;
  let used = 0;
  for (const line of lines) {
    if (!line.name) continue;
    const long = KEY + textWidth(line.name, 11);
    if (found.length && used + long > inner) {
      row++;
      used = 0;
    }
    found.push({ line, row, from: ROOM.left + used });
    used += long;
  }
  return found;
}

function drawLine({ points, color, dash, width = 2, mark, range }: Line, px: Scale, py: Scale): Shape[] {
  const parts: Shape[] = [];
  const at = points
    .filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b))
    .map(([a, b]): [number, number] => [px(a), py(b)]);
  if (at.length > 1)
    parts.push(
      svg("path", {
        d: `M${at.map(([a, b]) => `${a.toFixed(1)} ${b.toFixed(1)}`).join("L")}`,
        stroke: color,
        "stroke-width": width,
        "stroke-dasharray": dash,
        fill: "none",
        "stroke-linejoin": "round",
      }),
    );
  range?.forEach(([low, high], i) => {
    const d = `M${px(points[i][0])} ${py(low)}V${py(high)}`;
    parts.push(svg("path", { d, stroke: color, "stroke-width": 1.2 }));
  });
  return [...parts, ...at.flatMap(([a, b]) => marked({ color, mark }, a, b))];
}

export function chart({
  width,
  height,
  x,
  y,
  lines,
  named = "legend",
  shaded = [],
  rules = [],
}: Chart): Plot {
  const ending =
    named === "ends" && width >= NAMES_BESIDE
      ? lines.filter(({ name, points }) => name && points.length)
      : [];
  const beside = Math.max(0, ...ending.map(({ name }) => textWidth(name!, 11) + 14));
  const inner = width - ROOM.left - ROOM.right - beside;
  const legend = ending.length ? [] : legendRows(lines, inner);
  const top = ROOM.top + (legend.length ? legend[legend.length - 1].row + 1 : 0) * ROOM.legend;
  const bottom = height - ROOM.bottom;
  const right = ROOM.left + inner;
  const px = scale(x, ROOM.left, right);
  const py = scale(y, bottom, top);
  const parts: Shape[] = [];

  for (const { x: across, y: up } of shaded) {
    const [from, to] = across ? across.map(px) : [ROOM.left, right];
    const [low, high] = up ? up.map(py) : [bottom, top];
    if (to > from && low > high)
      parts.push(
        svg("rect", { x: from, y: high, width: to - from, height: low - high, fill: "var(--fw-mark)" }),
      );
  }
  const frame = { stroke: "var(--fw-line)", fill: "none" };
  parts.push(svg("path", { d: `M${ROOM.left} ${top}V${bottom}H${right}`, ...frame }));
  for (const [value, words] of x.ticks)
    parts.push(
      svg("path", { d: `M${px(value)} ${bottom}v4`, stroke: "var(--fw-line)" }),
      label(px(value), bottom + 15, words, { "text-anchor": "middle" }),
    );
  for (const [value, words] of y.ticks)
    parts.push(
      svg("path", { d: `M${ROOM.left - 4} ${py(value)}h4`, stroke: "var(--fw-line)" }),
      label(ROOM.left - 7, py(value) + 4, words, { "text-anchor": "end" }),
    );
  if (x.label)
    parts.push(
      label(ROOM.left + inner / 2, height - 4, x.label, { "text-anchor": "middle", fill: "var(--fw-soft)" }),
    );
  for (const { x: at, y: up, name, dash = "2 3" } of rules) {
    const d = at === undefined ? `M${ROOM.left} ${py(up!)}H${right}` : `M${px(at)} ${top}V${bottom}`;
    parts.push(svg("path", { d, stroke: "var(--fw-ink)", "stroke-dasharray": dash, fill: "none" }));
    if (name)
      parts.push(
        at === undefined
          ? label(right, py(up!) - 4, name, { "text-anchor": "end" })
          : label(px(at) + 4, bottom - 6, name),
      );
  }
  parts.push(...lines.flatMap((line) => drawLine(line, px, py)));
  const ends = ending.map(({ points }) => py(points[points.length - 1][1]));
  apart(ends, NAME_STEP, top + 4, bottom).forEach((level, i) => {
    const { points, color, name, width: thick = 2 } = ending[i];
    const d = `M${px(points[points.length - 1][0]) + 4} ${ends[i]}L${right + 10} ${level}`;
    parts.push(
      svg("path", { d, stroke: color, "stroke-width": 0.8, fill: "none" }),
      label(right + 13, level + 4, name!, { "font-weight": thick > 2 ? 700 : 400 }),
    );
  });
  for (const { line, from, row } of legend) {
    const { color, dash, name, width: thick = 2 } = line;
    const level = ROOM.top + row * ROOM.legend + 2;
    const stroke = { stroke: color, "stroke-width": thick, "stroke-dasharray": dash };
    parts.push(
      svg("path", { d: `M${from} ${level}h20`, ...stroke }),
      ...marked(line, from + 10, level),
      label(from + 24, level + 4, name!),
    );
  }
  return { drawing: sheet(width, height, ...parts), px, py };
}

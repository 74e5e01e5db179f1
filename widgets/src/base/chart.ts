// A line chart as one drawing: two axes, linear or logarithmic, lines told apart by colour, dash and mark.
// By hand because a plotting library is larger than a whole component may be, and would not draw into `Shape`.
import { svg, type Drawing, type Shape } from "./shapes";

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
  /** Parts of the plane that are shaded, in the axes' units. */
  shaded?: { x?: [number, number]; y?: [number, number] }[];
  /** Straight lines across, with a word at their end. */
  rules?: { x?: number; y?: number; name?: string; dash?: string }[];
}

const FONT = { "font-family": "system-ui, sans-serif", fill: "var(--fw-ink)" };

const ROOM = { left: 48, right: 12, top: 10, bottom: 34, legend: 16 };

/** Where a value lies between the ends of an axis, 0 to 1, cut off at both. */
export function place({ from, to, log }: Axis, value: number): number {
  const at = log
    ? Math.log(Math.max(value, from) / from) / Math.log(to / from)
    : (value - from) / (to - from || 1);
  return Math.min(1, Math.max(0, at));
}

/** Ticks at powers of ten (or of another base) within an axis. */
export function powers(from: number, to: number, base = 10, every = 1): number[] {
  const found: number[] = [];
  for (
    let power = Math.ceil(Math.log(from) / Math.log(base) - 1e-9);
    base ** power <= to * (1 + 1e-9);
    power += every
  )
    found.push(base ** power);
  return found;
}

export function chart({ width, height, x, y, lines, shaded = [], rules = [] }: Chart): Drawing {
  const named = lines.filter((line) => line.name);
  const inner = width - ROOM.left - ROOM.right;
  // The legend is a flow of words over the plane, whose lengths are guessed: about 7 units a letter, 12 a wide one.
  const long = (name: string): number =>
    30 + [...name].reduce((sum, letter) => sum + (/[\u1100-\uffdc]/u.test(letter) ? 12 : 6.6), 0);
  const rows: Line[][] = [];
  let used = Infinity;
  for (const line of named) {
    if (used + long(line.name!) > inner) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)!.push(line);
    used += long(line.name!);
  }
  const top = ROOM.top + rows.length * ROOM.legend;
  const tall = height - top - ROOM.bottom;
  const px = (value: number): number => ROOM.left + place(x, value) * inner;
  const py = (value: number): number => top + (1 - place(y, value)) * tall;
  const text = (at: number, down: number, words: string, more: Record<string, string | number> = {}): Shape =>
    svg("text", { x: at, y: down, "font-size": 11, ...FONT, ...more }, words);
  const parts: Shape[] = [];

  for (const { x: across, y: up } of shaded) {
    const [left, right] = across ? across.map(px) : [ROOM.left, ROOM.left + inner];
    const [low, high] = up ? up.map(py) : [top + tall, top];
    if (right > left && low > high)
      parts.push(
        svg("rect", { x: left, y: high, width: right - left, height: low - high, fill: "var(--fw-mark)" }),
      );
  }
  parts.push(
    svg("path", { d: `M${ROOM.left} ${top}v${tall}h${inner}`, stroke: "var(--fw-line)", fill: "none" }),
  );
  for (const [value, words] of x.ticks)
    parts.push(
      svg("path", { d: `M${px(value)} ${top + tall}v4`, stroke: "var(--fw-line)" }),
      text(px(value), top + tall + 15, words, { "text-anchor": "middle" }),
    );
  for (const [value, words] of y.ticks)
    parts.push(
      svg("path", { d: `M${ROOM.left - 4} ${py(value)}h4`, stroke: "var(--fw-line)" }),
      text(ROOM.left - 7, py(value) + 4, words, { "text-anchor": "end" }),
    );
  if (x.label)
    parts.push(
      text(ROOM.left + inner / 2, height - 4, x.label, { "text-anchor": "middle", fill: "var(--fw-soft)" }),
    );
  for (const { x: at, y: up, name, dash } of rules) {
    const line = at === undefined ? `M${ROOM.left} ${py(up!)}h${inner}` : `M${px(at)} ${top}v${tall}`;
    parts.push(
      svg("path", { d: line, stroke: "var(--fw-ink)", "stroke-dasharray": dash ?? "2 3", fill: "none" }),
    );
    if (name)
      parts.push(
        at === undefined
          ? text(ROOM.left + inner, py(up!) - 4, name, { "text-anchor": "end" })
          : text(px(at) + 4, top + tall - 6, name),
      );
  }
  for (const { points, color, dash, width: thick = 2, mark, range } of lines) {
    const at = points
      .filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b))
      .map(([a, b]): [number, number] => [px(a), py(b)]);
    if (at.length > 1)
      parts.push(
        svg("path", {
          d: `M${at.map(([a, b]) => `${a.toFixed(1)} ${b.toFixed(1)}`).join("L")}`,
          stroke: color,
          "stroke-width": thick,
          "stroke-dasharray": dash,
          fill: "none",
          "stroke-linejoin": "round",
        }),
      );
    range?.forEach(([low, high], i) =>
      parts.push(
        svg("path", { d: `M${px(points[i][0])} ${py(low)}V${py(high)}`, stroke: color, "stroke-width": 1.2 }),
      ),
    );
    if (mark)
      for (const [a, b] of at)
        parts.push(
          mark === "dot"
            ? svg("circle", { cx: a, cy: b, r: 3, fill: color })
            : svg("rect", { x: a - 2.7, y: b - 2.7, width: 5.4, height: 5.4, fill: color }),
        );
  }
  rows.forEach((row, i) => {
    let from = ROOM.left;
    for (const { name, color, dash, width: thick = 2, mark } of row) {
      const level = ROOM.top + i * ROOM.legend + 2;
      parts.push(
        svg("path", {
          d: `M${from} ${level}h20`,
          stroke: color,
          "stroke-width": thick,
          "stroke-dasharray": dash,
        }),
      );
      if (mark)
        parts.push(
          mark === "dot"
            ? svg("circle", { cx: from + 10, cy: level, r: 3, fill: color })
            : svg("rect", { x: from + 7.3, y: level - 2.7, width: 5.4, height: 5.4, fill: color }),
        );
      parts.push(text(from + 24, level + 4, name!));
      from += long(name!);
    }
  });
  return svg(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` },
    ...parts,
  );
}

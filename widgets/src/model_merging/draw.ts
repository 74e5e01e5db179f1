// The plane as plain values: what was measured, as colour, and the points that have a name.
import { label, sheet, svg, type Drawing, type Shape } from "../base/shapes";
import { textWidth } from "../base/text";
import { placeOn, sum, type Landscape } from "./landscape";
import { factors } from "./rules";
import { HIGHEST, LOWEST, type State } from "./state";
import { shownWeight } from "./figure";
import type { Strings } from "./strings";

/** Viridis at nine places, dark for few. */
const COLOURS = [
  "#440154",
  "#472d7b",
  "#3b528b",
  "#2c728e",
  "#21918c",
  "#28ae80",
  "#5ec962",
  "#addc30",
  "#fde725",
].map((colour) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)));

/** The colour of a share from 0 to 1. */
export function colour(share: number): string {
  const at = Math.min(1, Math.max(0, share)) * (COLOURS.length - 1);
  const low = Math.min(COLOURS.length - 2, Math.floor(at));
  const mix = COLOURS[low].map((value, i) => Math.round(value + (at - low) * (COLOURS[low + 1][i] - value)));
  return `rgb(${mix.join(" ")})`;
}

/** Cells across the plane. */
const CELLS = 20;
/** Room beside the plane for its numbers and the axes' names. */
export const ROOM = { left: 40, right: 8, top: 8, bottom: 38 };

/** Places in a drawing of a size, and back. */
export interface Place {
  side: number;
  x(weight: number): number;
  y(weight: number): number;
  weightAt(x: number, y: number): [number, number];
}

export function place(size: number): Place {
  const side = size - ROOM.left - ROOM.right;
  const span = HIGHEST - LOWEST;
  return {
    side,
    x: (weight) => ROOM.left + ((weight - LOWEST) / span) * side,
    y: (weight) => ROOM.top + ((HIGHEST - weight) / span) * side,
    weightAt: (x, y) => [LOWEST + ((x - ROOM.left) / side) * span, HIGHEST - ((y - ROOM.top) / side) * span],
  };
}

export interface Peak {
  right: number;
  x: number;
  y: number;
}

/** What was measured on the plane with the third weight where it is, [axis up · axis across]. */
interface Surface {
  key: string;
  right: number[];
  best: Peak;
  worst: Peak;
}

const surfaces = new WeakMap<Landscape, Surface>();

/** The surface of a state; computed when third weight, training, embedding or plane change. */
export function surface({ data, plane, how, length }: State): Surface {
  const { landscape } = data;
  const third = how.weights[plane.third];
  const key = [length, how.embedding, plane.third, third].join();
  const known = surfaces.get(landscape);
  if (known?.key === key) return known;
  const { axis } = landscape;
  const weights = [...how.weights];
  const all = axis.flatMap((y) =>
    axis.map((x): Peak => {
      weights[plane.x] = x;
      weights[plane.y] = y;
      return { right: sum(landscape.estimate(length, how.embedding, weights).right), x, y };
    }),
  );
  const by = (better: (a: number, b: number) => boolean): Peak =>
    all.reduce((best, next) => (better(next.right, best.right) ? next : best));
  const found = {
    key,
    right: all.map(({ right }) => right),
    best: by((a, b) => a > b),
    worst: by((a, b) => a < b),
  };
  surfaces.set(landscape, found);
  return found;
}

/** Counts that are the darkest and the brightest colour: what is found on the plane. */
export function range(state: State): [least: number, most: number] {
  const { best, worst } = surface(state);
  return [worst.right, Math.max(best.right, worst.right + 1)];
}

function cells(state: State, at: Place): Shape[] {
  const { axis } = state.data.landscape;
  const { right } = surface(state);
  const width = (HIGHEST - LOWEST) / CELLS;
  const size = at.side / CELLS;
  const [least, most] = range(state);
  const middles = Array.from({ length: CELLS }, (_, i) => placeOn(axis, LOWEST + (i + 0.5) * width));
  return Array.from({ length: CELLS ** 2 }, (_, i) => {
    const [x, across] = middles[i % CELLS];
    const [y, up] = middles[CELLS - 1 - Math.floor(i / CELLS)];
    const node = y * axis.length + x;
    const low = (1 - across) * right[node] + across * right[node + 1];
    const high = (1 - across) * right[node + axis.length] + across * right[node + axis.length + 1];
    return svg("rect", {
      x: (ROOM.left + (i % CELLS) * size).toFixed(2),
      y: (ROOM.top + Math.floor(i / CELLS) * size).toFixed(2),
      width: (size + 0.4).toFixed(2),
      height: (size + 0.4).toFixed(2),
      fill: colour(((1 - up) * low + up * high - least) / (most - least)),
    });
  });
}

/** A named point: a ring that is seen on any colour, its name above it or, at the top, below. */
function mark(x: number, y: number, words: string, size: number): Shape[] {
  const half = textWidth(words, 12) / 2;
  const middle = Math.min(size - ROOM.right - half, Math.max(ROOM.left + half, x));
  return [
    svg("circle", { cx: x, cy: y, r: 5, fill: "#fff", stroke: "#000", "stroke-width": 1.5 }),
    label(middle, y < ROOM.top + 30 ? y + 30 : y - 18, words, {
      "text-anchor": "middle",
      "font-size": 12,
      "font-weight": 600,
      fill: "#fff",
      stroke: "#000",
      "stroke-width": 3,
      "paint-order": "stroke",
    }),
  ];
}

/** Named points: base and experts where the third vector is not in, the average, the highest node. */
function marks(state: State, at: Place, text: Strings, size: number): Shape[] {
  const { plane, how, data } = state;
  const name = (task: number): string => text.expert(text.tasks[data.tasks[task]]);
  const found: Shape[] = [];
  if (Math.abs(how.weights[plane.third]) < 1e-9)
    found.push(
      ...mark(at.x(0), at.y(0), text.base, size),
      ...mark(at.x(1), at.y(0), name(plane.x), size),
      ...mark(at.x(0), at.y(1), name(plane.y), size),
    );
  const { best } = surface(state);
  found.push(...mark(at.x(best.x), at.y(best.y), `${text.peak} ${Math.round(best.right)}`, size));
  if (how.rule === "average") {
    const shares = factors(how);
    const [x, y] = [at.x(shares[plane.x]), at.y(shares[plane.y])];
    found.push(
      svg("path", {
        d: `M${at.x(how.weights[plane.x])} ${at.y(how.weights[plane.y])}L${x} ${y}`,
        stroke: "#fff",
        "stroke-width": 2,
        "stroke-dasharray": "4 3",
      }),
      ...mark(x, y, text.averageMark, size),
    );
  }
  return found;
}

function axes(state: State, at: Place, text: Strings, size: number): Shape[] {
  const { plane, data } = state;
  const [x, y] = [plane.x, plane.y].map((task) => text.expert(text.tasks[data.tasks[task]]));
  const bottom = ROOM.top + at.side;
  const middle = ROOM.top + at.side / 2;
  return [
    ...[-0.5, 0, 0.5, 1, 1.5].flatMap((value) => [
      label(at.x(value), bottom + 15, shownWeight(value).slice(0, -1), { "text-anchor": "middle" }),
      label(ROOM.left - 5, at.y(value) + 4, shownWeight(value).slice(0, -1), { "text-anchor": "end" }),
    ]),
    label(ROOM.left + at.side / 2, size - 4, `${x} →`, { "text-anchor": "middle", "font-size": 12 }),
    label(11, middle, `${y} →`, {
      "text-anchor": "middle",
      "font-size": 12,
      transform: `rotate(-90 11 ${middle})`,
    }),
  ];
}

/** The plane at a size in pixels. */
export function drawPlane(state: State, text: Strings, size: number): Shape[] {
  const at = place(size);
  const dim = state.how.rule === "sum" || state.how.rule === "average" ? 1 : 0.45;
  return [
    svg("g", { opacity: dim }, ...cells(state, at)),
    ...state.data.landscape.axis.flatMap((y) =>
      state.data.landscape.axis.map((x) =>
        svg("circle", {
          cx: at.x(x).toFixed(2),
          cy: at.y(y).toFixed(2),
          r: 1.3,
          fill: "#fff",
          "fill-opacity": 0.55,
        }),
      ),
    ),
    ...axes(state, at, text, size),
    ...marks(state, at, text, size),
  ];
}

/** The figure as one drawing to keep: the sentence, the plane with the point, what each task scores. */
export function drawFile(state: State, text: Strings, sentence: string, rows: string[]): Drawing {
  const size = 400;
  const width = Math.max(640, Math.ceil(textWidth(sentence, 13)) + 16);
  const at = place(size);
  const [x, y] = [at.x(state.how.weights[state.plane.x]), at.y(state.how.weights[state.plane.y])];
  return sheet(
    width,
    size + 40,
    svg("rect", { width, height: size + 40, fill: "var(--fw-surface)" }),
    label(8, 22, sentence, { "font-size": 13, "font-weight": 600 }),
    svg(
      "g",
      { transform: "translate(0 36)" },
      ...drawPlane(state, text, size),
      svg("circle", { cx: x, cy: y, r: 8, fill: "none", stroke: "#d55e00", "stroke-width": 4 }),
    ),
    ...rows.map((row, i) => label(size + 16, 70 + 22 * i, row, { "font-size": 12 })),
  );
}

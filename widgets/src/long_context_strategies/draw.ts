// Drawings of LongContextStrategies: the mask and its reach, rotations, measured curves, costs, and all of one topic as a file.
import {
  cost,
  crossover,
  MACHINE,
  MODELS,
  recurrentCost,
  shared,
  type Cost,
  type Model,
  type Recurrent,
} from "./cost";
import { PATTERN, type Pattern } from "./masks";
import { chart, powers, type Line } from "../base/chart";
import { svg, type Drawing, type Shape } from "../base/shapes";
import { inGroup, SHOWN_METHODS, type State } from "./state";
import type { LongContextStrings } from "./strings";
import {
  alibiSlopes,
  alibiWindow,
  closest,
  frequencies,
  resolution,
  similarity,
  temperature,
  turns,
  type Method,
  type Rotary,
} from "./rotary";

const hue = (i: number): string => `var(--fw-e${[0, 5, 2, 3, 4, 1, 7][i % 7]})`;
const DASHES = [undefined, "6 2", "6 2 2 2", "2 2", "8 3", "4 1", "1 2"];

export const percent = (share: number): string =>
  `${share >= 0.0995 ? (100 * share).toFixed(0) : (100 * share).toPrecision(2)}%`;

const UNITS: [number, string][] = [
  [1e18, "E"],
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** A number with three digits and a letter for the thousands. */
export function short(value: number): string {
  const [size, letter] = UNITS.find(([size]) => value >= size) ?? [1, ""];
  return `${Number((value / size).toPrecision(3))}${letter ? ` ${letter}` : ""}`;
}

export const bytes = (value: number): string => `${short(value)}${value >= 1000 ? "B" : " B"}`;

export function seconds(value: number): string {
  if (value >= 1) return `${Number(value.toPrecision(3))} s`;
  return value >= 1e-3
    ? `${Number((1e3 * value).toPrecision(3))} ms`
    : `${Number((1e6 * value).toPrecision(3))} µs`;
}

/** 131072 is 128 k: contexts are counted in powers of two. */
export const contextOf = (n: number): string =>
  n >= 1 << 20 ? `${n / (1 << 20)} M` : n >= 1024 ? `${Number((n / 1024).toPrecision(3))} k` : String(n);

function label(x: number, y: number, text: string, more: Record<string, string | number> = {}): Shape {
  return svg(
    "text",
    { x, y, "font-size": 11, "font-family": "system-ui, sans-serif", fill: "var(--fw-ink)", ...more },
    text,
  );
}

const sheet = (width: number, height: number, ...parts: Shape[]): Drawing =>
  svg(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` },
    ...parts,
  );

/** Runs of cells of a row as one path: [row, first, length]. */
function cells(state: State, wanted: (at: number) => boolean, size: number): string {
  const n = state.tokens;
  let path = "";
  for (let row = 0; row < n; row++) {
    let run = 0;
    for (let column = 0; column <= n; column++) {
      if (column < n && wanted(row * n + column)) run++;
      else if (run) {
        path += `M${((column - run) * size).toFixed(2)} ${(row * size).toFixed(2)}h${(run * size).toFixed(2)}v${size.toFixed(2)}h${(-run * size).toFixed(2)}z`;
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

const plain = (rotary: Rotary): Rotary => ({ ...rotary, method: "default", factor: 1 });

export function drawWaves(state: State, text: LongContextStrings, width: number): Drawing {
  const { rotary } = state;
  const now = frequencies(rotary);
  const before = frequencies(plain(rotary));
  const waves = (speeds: Float64Array): [number, number][] =>
    Array.from(speeds, (speed, i) => [i, (2 * Math.PI) / speed]);
  const most = 10 ** Math.ceil(Math.log10((2 * Math.PI * rotary.factor * 1.01) / before[before.length - 1]));
  return chart({
    width,
    height: 230,
    x: {
      from: 0,
      to: now.length - 1,
      label: text.pair,
      ticks: [0, 0.25, 0.5, 0.75, 1]
        .map((part) => Math.round(part * (now.length - 1)))
        .map((i) => [i, String(i)]),
    },
    y: {
      from: 1,
      to: most,
      log: true,
      ticks: powers(1, most, 10, most > 1e6 ? 2 : 1).map((value) => [value, short(value).replace(" ", "")]),
    },
    shaded: [{ y: [rotary.trained, most] }],
    rules: [{ y: rotary.trained, name: text.trainedTo(rotary.trained) }],
    lines: [
      { points: waves(before), color: "var(--fw-soft)", dash: "4 3", name: text.methods.default },
      ...(rotary.method === "default"
        ? []
        : [{ points: waves(now), color: hue(0), width: 2.5, name: text.methods[rotary.method] }]),
    ],
  });
}

export function drawDecay(state: State, text: LongContextStrings, width: number): Drawing {
  const { rotary } = state;
  const reach = rotary.trained * rotary.factor;
  const places = Array.from({ length: 161 }, (_, i) => (i / 160) * reach);
  const curve = (one: Rotary): [number, number][] => {
    const speeds = frequencies(one);
    return places.map((distance) => [distance, similarity(speeds, distance)]);
  };
  return chart({
    width,
    height: 210,
    x: {
      from: 0,
      to: reach,
      label: text.distance,
      ticks: [0, 0.25, 0.5, 0.75, 1].map((part) => [part * reach, contextOf(Math.round(part * reach))]),
    },
    y: {
      from: -0.4,
      to: 1,
      ticks: [
        [0, "0"],
        [0.5, "0.5"],
        [1, "1"],
      ],
    },
    shaded: rotary.factor > 1 ? [{ x: [rotary.trained, reach] }] : [],
    rules: [{ y: 0 }],
    lines: [
      {
        points: curve(plain(rotary)),
        color: "var(--fw-soft)",
        dash: "4 3",
        width: 1.5,
        name: text.methods.default,
      },
      ...(rotary.method === "default"
        ? []
        : [{ points: curve(rotary), color: hue(0), name: text.methods[rotary.method] }]),
    ],
  });
}

export interface MethodRow {
  method: Method;
  resolution: number;
  temperature: number;
  unfinished: number;
  closest: number;
}

/** Numbers of every method at this stretch. */
export function methodRows(rotary: Rotary): MethodRow[] {
  return SHOWN_METHODS.map((method) => {
    const one = { ...rotary, method, factor: method === "default" ? 1 : rotary.factor };
    const speeds = frequencies(one);
    return {
      method,
      resolution: resolution(speeds),
      temperature: temperature(one),
      unfinished: turns(speeds, rotary.trained).filter((turn) => turn < 1).length,
      closest: closest(speeds, Math.min(512, rotary.trained)).distance,
    };
  });
}

export function drawSharpness(
  rows: MethodRow[],
  chosen: Method,
  text: LongContextStrings,
  width: number,
): Drawing {
  const tall = 20;
  const gutter = 96;
  const inner = width - gutter - 52;
  const most = Math.max(...rows.map((row) => row.resolution));
  return sheet(
    width,
    rows.length * tall + 4,
    ...rows.flatMap((row, i) => {
      const y = 2 + i * tall;
      return [
        label(gutter - 8, y + 13, text.methods[row.method], {
          "text-anchor": "end",
          "font-weight": row.method === chosen ? 700 : 400,
        }),
        svg("rect", {
          x: gutter,
          y: y + 2,
          width: Math.max(1, (row.resolution / most) * inner),
          height: tall - 6,
          fill: row.method === chosen ? hue(0) : "var(--fw-e4)",
          "fill-opacity": row.method === chosen ? 1 : 0.5,
        }),
        label(gutter + (row.resolution / most) * inner + 6, y + 13, row.resolution.toPrecision(2)),
      ];
    }),
  );
}

export function drawAlibi(state: State, heads: number, text: LongContextStrings, width: number): Drawing {
  const shown = Math.min(heads, 16);
  const windows = alibiWindow(alibiSlopes(shown), 5);
  const most = 10 ** Math.ceil(Math.log10(Math.max(...windows, state.rotary.trained) * 1.01));
  return chart({
    width,
    height: 170,
    x: {
      from: -0.5,
      to: shown - 0.5,
      label: text.head,
      ticks: Array.from({ length: shown }, (_, head): [number, string] => [head, String(head)]).filter(
        (_, head) => shown <= 8 || head % 3 === 0,
      ),
    },
    y: {
      from: 1,
      to: most,
      log: true,
      ticks: powers(1, most).map((value) => [value, short(value).replace(" ", "")]),
    },
    rules: [{ y: state.rotary.trained, name: text.trainedTo(state.rotary.trained) }],
    lines: [{ points: Array.from(windows, (window, head) => [head, window]), color: hue(1), mark: "square" }],
  });
}

const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Conditions of the group that is chosen. */
export function conditions(state: State): string[] {
  return Object.keys(state.data.curves).filter((name) => inGroup(name, state.group));
}

function curveLines(state: State, text: LongContextStrings, what: "loss" | "recall", xs: number[]): Line[] {
  return conditions(state)
    .map((name, i): Line => {
      const rows = state.data.curves[name][what];
      return {
        points: rows.map((row, at) => [xs[at], mean(row)]),
        range: rows.map((row) => [Math.min(...row), Math.max(...row)]),
        color: hue(i),
        dash: DASHES[i % DASHES.length],
        mark: i % 2 ? "square" : "dot",
        width: name === "base" ? 2.5 : 1.7,
        name: text.curves[name] ?? name,
      };
    })
    .filter((line) => line.points.length > 0);
}

export function drawLoss(state: State, text: LongContextStrings, width: number): Drawing {
  const { buckets, trained } = state.data;
  const middles = buckets.map(([from, to]) => Math.sqrt(Math.max(from, to / 4) * to));
  const lines = curveLines(state, text, "loss", middles);
  const all = Object.values(state.data.curves).flatMap((curve) => curve.loss.flat());
  const [low, high] = [Math.floor(10 * Math.min(...all)) / 10, Math.ceil(10 * Math.max(...all)) / 10];
  const end = buckets.at(-1)?.[1] ?? 2;
  return chart({
    width,
    height: 250,
    x: {
      from: trained / 4,
      to: end,
      log: true,
      label: text.position,
      ticks: powers(trained / 4, end, 2).map((value) => [value, String(value)]),
    },
    y: {
      from: low,
      to: high,
      ticks: Array.from({ length: Math.round((high - low) * 5) + 1 }, (_, i) => low + i / 5).map((value) => [
        value,
        value.toFixed(1),
      ]),
    },
    shaded: [{ x: [trained, end] }],
    rules: [{ x: trained, name: text.trainedTo(trained) }],
    lines,
  });
}

export function drawRecall(state: State, text: LongContextStrings, width: number): Drawing {
  const { distances, trained } = state.data;
  const end = (distances.at(-1) ?? 2) * 1.1;
  return chart({
    width,
    height: 250,
    x: {
      from: distances[0] ?? 1,
      to: end,
      log: true,
      label: text.distance,
      ticks: distances.map((distance) => [distance, String(distance)]),
    },
    y: {
      from: 0,
      to: 1,
      ticks: [
        [0, "0"],
        [0.5, "50%"],
        [1, "100%"],
      ],
    },
    shaded: [{ x: [trained, end] }],
    rules: [{ x: trained, name: text.trainedTo(trained) }],
    lines: curveLines(state, text, "recall", distances),
  });
}

export const LENGTHS = Array.from({ length: 12 }, (_, i) => 512 << i);

export interface Bill {
  model: Model;
  now: Cost;
  causal: Cost;
  /** At every length of `LENGTHS`: with the pattern, and with causal attention. */
  rows: { n: number; chosen: Cost; causal: Cost; rival?: Recurrent }[];
  /** The model with a fixed state, at the length chosen, and from how many tokens on it keeps less. */
  rival?: Recurrent & { from: number | undefined };
}

/** The pattern with a window and a stride for contexts that are too long to draw. */
export const atFullSize = ({ pattern, wide }: State): Pattern => ({ ...pattern, window: wide, stride: wide });

const bills = new WeakMap<State, Bill>();

/** What the state shown costs; worked out once for each state. */
export function bill(state: State): Bill {
  const known = bills.get(state);
  if (known) return known;
  const own = MODELS[state.model];
  const model = state.sharing === "own" ? own : shared(own, state.sharing);
  const causal: Pattern = { ...PATTERN, kind: "causal" };
  const of = (pattern: Pattern, n: number): Cost => cost(model, pattern, n, state.bytesEach, MACHINE);
  const { rival } = state;
  const fixed = (n: number): Recurrent | undefined =>
    rival === "none" ? undefined : recurrentCost(model, rival, n, state.bytesEach, MACHINE);
  const beside = fixed(state.length);
  const found: Bill = {
    model,
    now: of(atFullSize(state), state.length),
    causal: of(causal, state.length),
    rows: LENGTHS.map((n) => ({
      n,
      chosen: of(atFullSize(state), n),
      causal: of(causal, n),
      rival: fixed(n),
    })),
    rival:
      beside && rival !== "none"
        ? { ...beside, from: crossover(model, atFullSize(state), rival) }
        : undefined,
  };
  bills.set(state, found);
  return found;
}

function costChart(
  state: State,
  text: LongContextStrings,
  { rows, now }: Bill,
  width: number,
  value: (cost: Cost) => number,
  fixed: (cost: Recurrent) => number,
  words: (value: number) => string,
  rules: { y: number }[] = [],
): Drawing {
  const all = rows.flatMap((row) => [
    value(row.chosen),
    value(row.causal),
    ...(row.rival ? [fixed(row.rival)] : []),
  ]);
  const from = 10 ** Math.floor(Math.log10(Math.min(...all)));
  const to = 10 ** Math.ceil(Math.log10(Math.max(...all, ...rules.map((rule) => rule.y))));
  return chart({
    width,
    height: 210,
    x: {
      from: LENGTHS[0],
      to: LENGTHS[LENGTHS.length - 1],
      log: true,
      label: text.tokensAxis,
      ticks: LENGTHS.filter((_, i) => i % 2 === 1).map((n) => [n, contextOf(n)]),
    },
    y: { from, to, log: true, ticks: powers(from, to).map((tick) => [tick, words(tick)]) },
    rules: rules.map((rule) => ({ ...rule, dash: "1 3" })),
    lines: [
      {
        points: rows.map((row) => [row.n, value(row.causal)]),
        color: "var(--fw-soft)",
        dash: "5 3",
        name: text.kinds.causal,
      },
      ...(state.pattern.kind === "causal"
        ? []
        : [
            {
              points: rows.map((row): [number, number] => [row.n, value(row.chosen)]),
              color: hue(0),
              width: 2.5,
              name: text.kinds[state.pattern.kind],
            },
          ]),
      ...(state.rival === "none"
        ? []
        : [
            {
              points: rows.flatMap((row): [number, number][] =>
                row.rival ? [[row.n, fixed(row.rival)]] : [],
              ),
              color: hue(2),
              width: 2,
              dash: "8 3",
              name: text.rivals[state.rival],
            },
          ]),
      { points: [[state.length, value(now)]], color: hue(1), mark: "square" },
    ],
  });
}

export const drawTime = (state: State, text: LongContextStrings, found: Bill, width: number): Drawing =>
  costChart(
    state,
    text,
    found,
    width,
    (one) => one.prefill,
    (one) => one.prefill,
    (value) => seconds(value).replace(" ", ""),
  );

export function drawMemory(state: State, text: LongContextStrings, found: Bill, width: number): Drawing {
  const free = MACHINE.memory - found.now.weights;
  return costChart(
    state,
    text,
    found,
    width,
    (one) => one.cache,
    (one) => one.state,
    (value) => bytes(value).replace(" ", ""),
    free > 0 ? [{ y: free }] : [],
  );
}

/** Drawings under each other with their captions, for the downloaded files. */
export function drawAll(title: string, parts: [string, Drawing][], width: number): Drawing {
  const pad = 16;
  let y = pad + 12;
  const shapes: Shape[] = [label(pad, y, title, { "font-weight": 600, "font-size": 13 })];
  for (const [caption, drawing] of parts) {
    y += 26;
    shapes.push(label(pad, y, caption, { "font-weight": 600 }));
    shapes.push({ ...drawing, attributes: { ...drawing.attributes, x: pad, y: y + 8 } });
    y += 8 + Number(drawing.attributes.height);
  }
  const height = y + pad;
  return sheet(
    width,
    height,
    svg("title", {}, title),
    svg("rect", { x: 0, y: 0, width, height, fill: "var(--fw-surface)" }),
    ...shapes,
  );
}

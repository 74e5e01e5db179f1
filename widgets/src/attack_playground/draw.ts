// The charts as plain values.
import { chart, ROOM, ticks, type Chart, type Line } from "../base/chart";
import { label, sheet, svg, type Drawing, type Shape } from "../base/shapes";
import { NAMES, type Curves, type Estimate } from "./curves";
import { COLOURS, nameOf, shown, type PlaygroundFigure } from "./figure";
import { fewest, type Bound } from "./linear";
import { seen, type State } from "./state";
import type { Race, Step, Trace } from "./race";
import type { Strings } from "./strings/index";

const HEIGHT = 210;

const whole = (last: number): [number, string][] =>
  ticks(0, last, 6).flatMap(([at]) => (Number.isInteger(at) ? [[at, String(at)]] : []));
const numbers = (from: number, to: number): [number, string][] =>
  ticks(from, to, 5).map(([at]) => [at, shown(at, to - from < 1 ? 2 : 1)]);

/** What an attack holds after each query, as a line with steps. */
function steps(start: number, all: readonly Step[]): [number, number][] {
  const points: [number, number][] = [[0, start]];
  all.forEach(({ ahead }, i) => {
    points.push([i + 1, points[points.length - 1][1]], [i + 1, ahead]);
  });
  return points;
}

/** A cross where an attack succeeds. */
const cross = (x: number, y: number, color: string): Shape =>
  svg("path", {
    d: `M${x - 5} ${y - 5}l10 10M${x - 5} ${y + 5}l10 -10`,
    stroke: color,
    "stroke-width": 3,
    fill: "none",
  });

const hollow = (x: number, y: number, color: string): Shape =>
  svg("rect", { x: x - 3, y: y - 3, width: 6, height: 6, stroke: color, fill: "var(--fw-surface)" });

/** Where the right class's lead goes as the attacks ask: what they hold, and every text asked about. */
export function drawRace({ text }: PlaygroundFigure, state: State, race: Race, width: number): Drawing {
  const { queries, last } = state;
  const attacks = [
    { trace: race.greedy, name: text.greedy, color: COLOURS.greedy, mark: "square" as const },
    { trace: race.random, name: text.random, color: COLOURS.random, mark: "dot" as const },
  ];
  const visible = ({ steps: all }: Trace): Step[] => all.slice(0, queries);
  const leads = attacks.flatMap(({ trace }) => trace.steps.flatMap(({ lead, ahead }) => [lead, ahead]));
  const low = Math.min(-0.1, ...leads);
  const high = Math.max(0.1, race.start, ...leads);
  const lines = attacks.flatMap(({ trace, name, color, mark }): Line[] => [
    {
      points: visible(trace).flatMap(({ lead, asked }, i): [number, number][] =>
        asked.without === undefined ? [[i + 1, lead]] : [],
      ),
      color,
      mark,
      width: 0,
    },
    { points: steps(race.start, visible(trace)), color, name, width: 2.5 },
  ]);
  const { drawing, px, py } = chart({
    width,
    height: HEIGHT,
    x: { from: 0, to: last, label: text.raceX, ticks: whole(last) },
    y: { from: low, to: high, label: text.raceY, ticks: numbers(low, high) },
    lines,
    shaded: [{ y: [low, 0] }],
    rules: [{ y: 0, name: text.flipped }, ...(queries < last ? [{ x: queries }] : [])],
  });
  const won = attacks.flatMap(({ trace, color }) => {
    const now = seen(trace, race.start, queries);
    return now.won ? [cross(px(now.won), py(now.ahead), color)] : [];
  });
  // Texts with a word left out are no attack: hollow.
  const deleted = attacks.flatMap(({ trace, color }) =>
    visible(trace).flatMap(({ lead, asked }, i) =>
      asked.without === undefined ? [] : [hollow(px(i + 1), py(lead), color)],
    ),
  );
  return { ...drawing, children: [...drawing.children, ...deleted, ...won] };
}

/** The least lead of the linear model by words that may change, exact and as greedy search leaves it. */
export function drawBound({ text }: PlaygroundFigure, state: State, bound: Bound, width: number): Drawing {
  const margins = bound.worst.map(({ margin }) => margin);
  const last = Math.max(1, margins.length - 1);
  const low = Math.min(-0.2, ...margins, ...bound.greedy);
  const high = Math.max(0.2, ...margins);
  const place = (values: readonly number[]): [number, number][] => values.map((value, k) => [k, value]);
  const safe = fewest(bound) ? fewest(bound) - 1 : last;
  const options: Chart = {
    width,
    height: HEIGHT,
    x: { from: 0, to: last, label: text.boundX, ticks: whole(last) },
    y: { from: low, to: high, label: text.boundY, ticks: numbers(low, high) },
    lines: [
      { points: place(margins), color: COLOURS.bound, name: text.exact, width: 3, mark: "dot" },
      {
        points: place(bound.greedy),
        color: COLOURS.greedy,
        name: text.greedyHere,
        width: 1.5,
        dash: "4 3",
        mark: "square",
      },
    ],
    shaded: [{ y: [low, 0] }],
    rules: [{ y: 0, name: text.flipped }, ...(state.of ? [{ x: Math.min(state.of.most, last) }] : [])],
  };
  const { drawing, px } = chart(options);
  const bottom = HEIGHT - ROOM.bottom;
  const band = svg("path", {
    d: `M${px(0)} ${bottom}H${px(safe)}`,
    stroke: COLOURS.bound,
    "stroke-width": 5,
  });
  return { ...drawing, children: [...drawing.children, band] };
}

/** Accuracy that each attack leaves on all sentences. */
export function drawCurves(text: Strings, curves: Curves, queries: number, width: number): Drawing {
  const last = curves.left.random.length - 1;
  const all = NAMES.flatMap((name) => curves.left[name]);
  const [low, high] = [Math.min(...all) - 0.02, Math.max(...all) + 0.02];
  return chart({
    width,
    height: 240,
    x: { from: 0, to: last, label: text.folds.allX, ticks: whole(last) },
    y: { from: low, to: high, label: text.folds.allY, ticks: numbers(low, high) },
    lines: NAMES.map((name) => ({
      points: curves.left[name].map((value, k): [number, number] => [k, value]),
      color: COLOURS[name],
      name: text[name],
      dash: name === "shuffled" ? "4 3" : undefined,
      width: name === "shuffled" ? 1.5 : 2.5,
    })),
    named: "ends",
    rules: [{ x: Math.min(queries, last) }],
  }).drawing;
}

/** The difference of random and greedy, with its interval. */
export function drawDifference(text: Strings, curves: Curves, queries: number, width: number): Drawing {
  const of = curves.difference.greedy;
  const values = of.flat();
  const [low, high] = [Math.min(...values) - 0.01, Math.max(0.03, ...values) + 0.01];
  return chart({
    width,
    height: 170,
    x: { from: 0, to: of.length - 1, label: text.folds.allX, ticks: whole(of.length - 1) },
    y: { from: low, to: high, ticks: numbers(low, high) },
    lines: [
      {
        points: of.map(([value], k): [number, number] => [k, value]),
        range: of.map(([, from, to]): [number, number] => [from, to]),
        color: "var(--fw-ink)",
        width: 1.5,
      },
    ],
    rules: [{ y: 0 }, { x: Math.min(queries, of.length - 1) }],
  }).drawing;
}

/** Sentences that the linear model surely reads right. */
export function drawCertified(text: Strings, certified: readonly Estimate[], width: number): Drawing {
  const last = certified.length - 1;
  return chart({
    width,
    height: 200,
    x: { from: 0, to: last, label: text.folds.linearX, ticks: whole(last) },
    y: { from: 0.3, to: 0.75, label: text.folds.allY, ticks: numbers(0.3, 0.75) },
    lines: [
      {
        points: certified.map(([value], k): [number, number] => [k, value]),
        range: certified.map(([, low, high]): [number, number] => [low, high]),
        color: COLOURS.bound,
        mark: "dot",
      },
    ],
  }).drawing;
}

export function saidRace({ text }: PlaygroundFigure, { greedy, random, start }: Race): string {
  const words = ({ steps: all }: Trace): string =>
    [start, ...all.map(({ ahead }) => ahead)].map((v) => shown(v)).join(" ");
  return `${text.greedy}: ${words(greedy)}; ${text.random}: ${words(random)}`;
}

export function saidBound({ text }: PlaygroundFigure, { worst, greedy }: Bound): string {
  const words = (values: number[]): string => values.map((value) => shown(value)).join(" ");
  return `${text.exact}: ${words(worst.map(({ margin }) => margin))}; ${text.greedyHere}: ${words(greedy)}`;
}

/** The two charts beside each other, under the finding: what is saved as a picture. */
export function drawFile(figure: PlaygroundFigure, state: State, finding: string): Drawing {
  const { race, bound } = state;
  const wide = 440;
  const parts: Shape[] = [label(10, 22, finding, { "font-size": 12.5, "font-weight": 600 })];
  const put = (drawing: Drawing, x: number, y: number, caption: string): void => {
    parts.push(
      label(x + 8, y - 6, caption),
      svg("g", { transform: `translate(${x} ${y})` }, ...drawing.children),
    );
  };
  parts.push(label(10, 44, state.mine.text));
  if (race) put(drawRace(figure, state, race, wide), 0, 76, figure.text.raceCaption);
  if (bound) {
    const caption = figure.text.boundCaption(nameOf(figure, bound.label));
    put(drawBound(figure, state, bound, wide), wide + 20, 76, caption);
  }
  return sheet(2 * wide + 30, 76 + HEIGHT + 10, ...parts);
}

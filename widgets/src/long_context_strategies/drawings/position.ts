// Rotations and ALiBi's windows.
import { chart, powers } from "../../base/chart";
import { label, sheet, svg, type Drawing } from "../../base/shapes";
import type { MethodRow } from "../methods";
import { alibiSlopes, alibiWindow, frequencies, similarity, type Method, type Rotary } from "../rotary";
import type { State } from "../state";
import type { LongContextStrings } from "../strings";
import { contextOf, short } from "../units";
import { hue } from "./style";

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
  }).drawing;
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
  }).drawing;
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
  const windows = alibiWindow(alibiSlopes(shown));
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
  }).drawing;
}

// Time and memory over the length of the context.
import { chart, powers } from "../../base/chart";
import type { Drawing } from "../../base/shapes";
import { LENGTHS, type Bill } from "../bill";
import { MACHINE, type Cost, type Recurrent } from "../cost";
import type { State } from "../state";
import type { LongContextStrings } from "../strings";
import { bytes, contextOf, seconds } from "../units";
import { hue } from "./style";

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
  }).drawing;
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

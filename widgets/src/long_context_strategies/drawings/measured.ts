// Measured curves of trained models: what the headline compares in colour, the rest of the group in grey.
import { chart, powers, ticks, type Line } from "../../base/chart";
import type { Drawing } from "../../base/shapes";
import { conditionName, conditions, drawnLeads, mean } from "../conditions";
import type { State } from "../state";
import type { LongContextStrings } from "../strings";
import { hue } from "./style";

/** How the headline's conditions are told apart, the finding last; and all others. */
const LEADS: Pick<Line, "color" | "dash" | "mark" | "width">[] = [
  { color: hue(1), dash: "6 3", mark: "square", width: 2 },
  { color: hue(2), dash: "2 3", mark: "dot", width: 2 },
  { color: hue(0), mark: "dot", width: 3 },
];
const REST = { color: "var(--fw-e7)", width: 1 };
const DASHES = [undefined, "7 3", "1 2", "4 2 1 2", "2 4", "9 2 2 2"];

function curveLines(state: State, text: LongContextStrings, what: "loss" | "recall", xs: number[]): Line[] {
  const { data, group } = state;
  const first = drawnLeads(data, group);
  const all = conditions(data, group);
  const lines = all
    .filter((name) => data.curves[name][what].length > 0)
    .map((name): Line & { lead: number } => {
      const rows = data.curves[name][what];
      const lead = first.indexOf(name);
      return {
        points: rows.map((row, at) => [xs[at], mean(row)]),
        range: lead < 0 ? undefined : rows.map((row) => [Math.min(...row), Math.max(...row)]),
        ...(lead < 0 ? { ...REST, dash: DASHES[all.indexOf(name) % DASHES.length] } : LEADS[lead]),
        name: conditionName(name, text),
        lead,
      };
    });
  return lines.sort((one, other) => one.lead - other.lead); // grey first, the finding on top
}

export function drawLoss(state: State, text: LongContextStrings, width: number): Drawing {
  const { buckets, trained } = state.data;
  const middles = buckets.map(([from, to]) => Math.sqrt(Math.max(from, to / 4) * to));
  const lines = curveLines(state, text, "loss", middles);
  const all = lines.flatMap(({ points, range = [] }) => [...points.map(([, y]) => y), ...range.flat()]);
  const [low, high] = all.length
    ? [Math.floor(10 * Math.min(...all)) / 10, Math.ceil(10 * Math.max(...all)) / 10]
    : [0, 1];
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
      ticks: ticks(low, high, 8),
    },
    shaded: [{ x: [trained, end] }],
    rules: [{ x: trained, name: text.trainedTo(trained) }],
    lines,
    named: "ends",
  }).drawing;
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
    named: "ends",
  }).drawing;
}

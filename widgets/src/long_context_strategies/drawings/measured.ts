// Measured curves of trained models.
import { chart, powers, ticks, type Line } from "../../base/chart";
import type { Drawing } from "../../base/shapes";
import { inGroup, type State } from "../state";
import type { LongContextStrings } from "../strings";
import { DASHES, hue } from "./style";

export const mean = (values: number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

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
      ticks: ticks(low, high, 8),
    },
    shaded: [{ x: [trained, end] }],
    rules: [{ x: trained, name: text.trainedTo(trained) }],
    lines,
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
  }).drawing;
}

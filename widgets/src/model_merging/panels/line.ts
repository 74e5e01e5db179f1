// All three weights alike, from base to too far: short and long training, with and without the embedding.
import { chart, ticks } from "../../base/chart";
import { h } from "../../base/dom";
import { fold } from "../../base/fold";
import { picture } from "../../base/shapes";
import { asking, shownWeight, type MergingFigure } from "../figure";
import { sum } from "../landscape";
import type { Data } from "../state";

/** Prompts answered with each weight of the axis given to all three. */
export function diagonal({ landscape }: Data, length: number, embedding: boolean): number[] {
  return landscape.axis.map((_, at) => sum(landscape.node(length, embedding, [at, at, at]).right));
}

const LOOKS = [
  { color: "var(--fw-e0)", dash: undefined },
  { color: "var(--fw-e0)", dash: "5 3" },
  { color: "var(--fw-e5)", dash: undefined },
  { color: "var(--fw-e5)", dash: "5 3" },
];

export function line(figure: MergingFigure): HTMLElement {
  const { text, data } = figure;
  const { axis } = data.landscape;
  const whole = axis.indexOf(1);
  return fold(figure, {
    name: "line",
    title: text.lineTitle,
    headline: () =>
      text.lineFinding(
        diagonal(data, 0, true)[whole],
        diagonal(data, 1, true)[whole],
        diagonal(data, 1, false)[whole],
        data.trained,
      ),
    build: (on) => {
      const board = h("div", { class: "fw-drawing" });
      const paint = picture(board);
      on((state) => {
        const lines = data.trained.flatMap((steps, length) =>
          [true, false].map((embedding, i) => ({
            points: diagonal(data, length, embedding).map((right, at): [number, number] => [axis[at], right]),
            name: text.lineName(steps, embedding),
            mark: "dot" as const,
            width: length === state.length && embedding === state.how.embedding ? 3.5 : 1.5,
            ...LOOKS[2 * length + i],
          })),
        );
        const { drawing } = chart({
          width: Math.min(720, Math.max(280, figure.root.clientWidth - 26 || 640)),
          height: 260,
          x: {
            from: axis[0],
            to: axis[axis.length - 1],
            label: text.lineX,
            ticks: axis.map((value) => [value, shownWeight(value)]),
          },
          y: { from: 0, to: asking(data), label: text.lineY, ticks: ticks(0, asking(data), 5) },
          lines,
          named: "ends",
        });
        const words = lines.map(({ name, points }) => `${name}: ${points.map(([, y]) => y).join(" ")}`);
        paint(drawing, text.lineLabel(words.join("; ")));
      });
      return [board];
    },
  });
}

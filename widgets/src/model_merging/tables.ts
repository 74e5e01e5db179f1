// The figure's numbers as tables and as rows of a file.
import { toCsv } from "../base/save";
import type { TableData } from "../base/table";
import { counted, shownWeight, type MergingFigure } from "./figure";
import { sum, type Scores } from "./landscape";
import { baseScores, expertScores, type State } from "./state";

export function tableData(figure: MergingFigure, state: State): TableData[] {
  const { text, data } = figure;
  const { plane, how, length } = state;
  const names = data.tasks.map((task) => text.tasks[task]);
  const row = (name: string, scores: Scores, exact = true): string[] => [
    name,
    ...scores.right.map((count) => counted(figure, count, exact)),
    counted(figure, sum(scores.right), exact),
    scores.text.toFixed(2),
  ];
  const { axis } = data.landscape;
  const corner = text.tables.corner(text.expert(names[plane.x]), text.expert(names[plane.y]));
  const third = shownWeight(how.weights[plane.third]);
  const isNode = data.landscape.isNode([how.weights[plane.third]]);
  return [
    {
      caption: text.tables.scores,
      columns: [text.tables.model, ...names, text.tables.all, text.tables.text],
      rows: [
        row(text.base, baseScores(state)),
        ...names.map((name, task) => row(text.expert(name), expertScores(state, task))),
        ...(state.scores ? [row(text.merged, state.scores, state.scores.kind === "exact")] : []),
      ],
    },
    {
      caption: text.tables.plane(text.fixed(text.expert(names[plane.third]), third)),
      columns: [corner, ...axis.map(shownWeight)],
      rows: [...axis].reverse().map((y) => [
        shownWeight(y),
        ...axis.map((x) => {
          const weights = [...how.weights];
          weights[plane.x] = x;
          weights[plane.y] = y;
          const found = data.landscape.estimate(length, how.embedding, weights);
          return counted(figure, sum(found.right), isNode);
        }),
      ]),
    },
  ];
}

/** Every node that was measured. */
export function csv({ data }: MergingFigure): string {
  const { landscape, trained, tasks } = data;
  const places = landscape.axis.map((_, i) => i);
  const rows: (string | number | boolean)[][] = [];
  trained.forEach((steps, length) => {
    for (const embedding of [true, false])
      for (const a of places)
        for (const b of places)
          for (const c of places) {
            const { right, text } = landscape.node(length, embedding, [a, b, c]);
            rows.push([steps, embedding, ...[a, b, c].map((i) => landscape.axis[i]), ...right, text]);
          }
  });
  return toCsv(["steps", "embedding", ...tasks.map((task) => `weight_${task}`), ...tasks, "text_loss"], rows);
}

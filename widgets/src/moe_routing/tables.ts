// The numbers of the figure as tables and as a file.
import { h } from "../base/dom";
import { toCsv } from "../base/save";
import { dataTable, type TableData } from "../base/table";
import { assignments, groupName, pathOf, type RoutingFigure } from "./figure";
import { tokensOf } from "./math";
import { ablationOf, type State } from "./state";

export function tables(figure: RoutingFigure): HTMLElement {
  const place = h("div", { class: "fw-tables" });
  figure.on((state) => {
    if (state.table) place.replaceChildren(...tableData(figure, state).map(dataTable));
    else if (place.childElementCount) place.replaceChildren();
  });
  return place;
}

function tableData(figure: RoutingFigure, state: State): TableData[] {
  const { tables } = figure.text;
  const { routing, token, scores } = state;
  const names = figure.data.labels;
  const start = token * routing.experts;
  const mine = assignments(state, token);
  const all = Array.from({ length: routing.experts }, (_, e) => e);
  const way = pathOf(state);
  const ablation = ablationOf(state);
  return [
    {
      caption: tables.token(names[token]),
      columns: tables.stageColumns,
      rows: all.map((e) => {
        const rank = mine.findIndex(({ expert }) => expert === e);
        return [
          `E${e}`,
          scores[start + e].toFixed(4),
          routing.probabilities[start + e].toFixed(4),
          rank < 0 ? "" : rank + 1,
          rank < 0 ? "" : mine[rank].weight.toFixed(4),
        ];
      }),
    },
    {
      caption: tables.path(names[token]),
      columns: tables.pathColumns,
      rows: way.chosen.flatMap((chosen, layer) =>
        [...chosen].map((e, rank) => [layer, rank + 1, `E${e}`, way.weights[layer][rank].toFixed(4)]),
      ),
    },
    ...(ablation
      ? [
          {
            caption: tables.ablation,
            columns: tables.ablationColumns,
            rows: ablation.map(({ change, error }, e) => [`E${e}`, change.toFixed(4), error.toFixed(4)]),
          },
        ]
      : []),
    {
      caption: tables.experts,
      columns: tables.expertColumns,
      rows: all.map((e) => [
        `E${e}`,
        routing.counts[e],
        routing.capacity ?? figure.text.dropless,
        routing.capacity === null ? 0 : Math.max(0, routing.counts[e] - routing.capacity),
        routing.f[e].toFixed(4),
        routing.P[e].toFixed(4),
        tokensOf(routing, e)
          .slice(0, 5)
          .map((i) => names[i])
          .join(" "),
      ]),
    },
    {
      caption: tables.tokens,
      columns: tables.tokenColumns,
      rows: names.flatMap((name, i) =>
        assignments(state, i).map(({ expert, weight, kept, slot }, rank) => [
          i,
          name,
          groupName(figure, figure.data.groups[i] ?? ""),
          rank + 1,
          `E${expert}`,
          weight.toFixed(4),
          kept ? slot : tables.dropped,
        ]),
      ),
    },
  ];
}

export function csv(figure: RoutingFigure): string {
  const { routing, scores, snapshot, layer } = figure.state;
  const frame = figure.data.snapshots[snapshot];
  const names = [
    "run",
    "step",
    "layer",
    "token",
    "text",
    "group",
    "rank",
    "expert",
    "logit",
    "probability",
    "weight",
    "kept",
    "slot",
  ];
  return toCsv(
    names,
    figure.data.tokens.flatMap((text, i) =>
      assignments(figure.state, i).map(({ expert, weight, kept, slot }, rank) => {
        const at = i * routing.experts + expert;
        return [
          frame.run,
          frame.step,
          layer,
          i,
          text,
          figure.data.groups[i] ?? "",
          rank,
          expert,
          scores[at],
          routing.probabilities[at],
          weight,
          kept,
          slot,
        ];
      }),
    ),
  );
}

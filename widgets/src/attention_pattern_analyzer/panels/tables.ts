// The numbers of every head and of the token under study, as tables and as a file.
import { h } from "../../base/dom";
import { toCsv } from "../../base/save";
import { dataTable, type TableData } from "../../base/table";
import { REMOVALS } from "../choices";
import { columnOf, matrixShown, type HeadsFigure } from "../figure";
import { METRICS } from "../patterns";
import { ablationOf, type Reading } from "../reading";
import type { State } from "../state";

function headRows(figure: HeadsFigure, state: State): TableData {
  const { tableColumns: names, removals } = figure.text;
  const measured = state.reading.ablation.length > 0;
  const value = (x: number): string | number => (Number.isFinite(x) ? x.toFixed(3) : "–");
  return {
    caption: figure.text.table,
    columns: [
      names.layer,
      names.head,
      names.kind,
      ...METRICS.map((metric) => figure.text.metrics[metric]),
      ...(measured
        ? REMOVALS.flatMap((one) => [
            `${names.loss} (${removals[one]})`,
            `${names.divergence} (${removals[one]})`,
          ])
        : []),
    ],
    rows: state.reading.heads.map((one) => [
      String(one.layer),
      String(one.head),
      figure.text.kinds[one.kind],
      ...[...one.metrics].map(value),
      ...(measured
        ? REMOVALS.flatMap((removal) => {
            const change = ablationOf(state.reading, one.layer, one.head, removal)!;
            return [value(change.loss), value(change.divergence)];
          })
        : []),
    ]),
  };
}

export function tables(figure: HeadsFigure): HTMLElement {
  const place = h("div", { class: "fw-tables" });
  figure.on((state) => {
    if (!state.table) return place.replaceChildren();
    const { reading } = state;
    const values = columnOf(state, matrixShown(state));
    const own = reading.labels[state.token];
    const names = state.from ? reading.keyLabels : reading.labels;
    place.replaceChildren(
      dataTable(headRows(figure, state)),
      dataTable({
        caption: figure.text.tableToken(own),
        columns: figure.text.tokenColumns,
        rows: names.map((name, i) => [String(i), figure.text.quoted(name), values[i].toFixed(3)]),
      }),
    );
  });
  return place;
}

export function csv(reading: Reading): string {
  const changes = REMOVALS.flatMap((one) => [`loss_${one}`, `divergence_${one}`]);
  return toCsv(
    ["layer", "head", "kind", ...METRICS, ...changes],
    reading.heads.map((one) => [
      one.layer,
      one.head,
      one.kind,
      ...one.metrics,
      ...REMOVALS.flatMap((removal): (string | number)[] => {
        const change = ablationOf(reading, one.layer, one.head, removal);
        return change ? [change.loss, change.divergence] : ["", ""];
      }),
    ]),
  );
}

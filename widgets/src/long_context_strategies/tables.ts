// The numbers of the topic shown as tables and as a file.
import { toCsv } from "../base/save";
import type { TableData } from "../base/table";
import { bill } from "./bill";
import { conditionName } from "./conditions";
import type { LongContextFigure } from "./figure";
import { methodRows } from "./methods";
import { alibiSlopes, alibiWindow, frequencies, turns } from "./rotary";
import type { State } from "./state";

export function tableData(figure: LongContextFigure, state: State): TableData[] {
  const { tables, methods, kinds } = figure.text;
  const text = figure.text;
  switch (state.topic) {
    case "mask": {
      const n = state.tokens;
      return [
        {
          caption: `${tables.mask} · ${kinds[state.pattern.kind]}`,
          columns: tables.maskColumns,
          rows: Array.from({ length: n }, (_, token) => [
            token,
            state.mask.subarray(token * n, (token + 1) * n).reduce((a, b) => a + b, 0),
            state.seenAfter[token] < 0 ? tables.never : state.seenAfter[token],
          ]),
        },
      ];
    }
    case "position": {
      const { rotary } = state;
      const now = frequencies(rotary);
      const before = frequencies({ ...rotary, method: "default", factor: 1 });
      const around = turns(now, rotary.trained);
      const windows = alibiWindow(alibiSlopes(figure.data.heads));
      return [
        {
          caption: `${tables.position} · ${methods[rotary.method]}`,
          columns: tables.positionColumns,
          rows: Array.from(now, (speed, i) => [
            i,
            ((2 * Math.PI) / before[i]).toPrecision(4),
            ((2 * Math.PI) / speed).toPrecision(4),
            (before[i] / speed).toFixed(3),
            around[i].toPrecision(3),
          ]),
        },
        {
          caption: tables.methods,
          columns: tables.methodColumns,
          rows: methodRows(rotary).map((row) => [
            methods[row.method],
            row.resolution.toFixed(4),
            row.temperature.toFixed(4),
            row.unfinished,
            row.closest,
          ]),
        },
        {
          caption: tables.alibi,
          columns: tables.alibiColumns,
          rows: Array.from(alibiSlopes(figure.data.heads), (slope, head) => [
            head,
            slope.toPrecision(4),
            windows[head].toPrecision(4),
          ]),
        },
      ];
    }
    case "measured": {
      const rows = (what: "loss" | "recall"): (string | number)[][] =>
        Object.entries(state.data.curves)
          .filter(([, curve]) => curve[what].length)
          .map(([name, curve]) => [
            conditionName(name, text),
            ...curve[what].map((seeds) => seeds.map((value) => value.toFixed(2)).join(" / ")),
          ]);
      return [
        {
          caption: tables.loss,
          columns: [tables.condition, ...state.data.buckets.map(([from, to]) => tables.until(from, to))],
          rows: rows("loss"),
        },
        {
          caption: tables.recall,
          columns: [tables.condition, ...state.data.distances.map(String)],
          rows: rows("recall"),
        },
      ];
    }
    default:
      return [
        {
          caption: `${tables.cost} · ${state.model} · ${kinds[state.pattern.kind]}`,
          columns: [
            ...tables.costColumns,
            ...(state.rival === "none" ? [] : [tables.rivalColumn(text.rivals[state.rival])]),
          ],
          rows: bill(state).rows.map(({ n, chosen, rival }) => [
            n,
            chosen.cells,
            chosen.attention,
            chosen.others,
            chosen.cache,
            chosen.prefill.toPrecision(4),
            chosen.decode.toPrecision(4),
            chosen.fits ? text.yes : text.no,
            ...(rival ? [rival.state] : []),
          ]),
        },
      ];
  }
}

export function csv(figure: LongContextFigure, state: State): string {
  if (state.topic === "measured") {
    const names = state.data.curves;
    const rows = Object.entries(names).flatMap(([name, curve]) => [
      ...curve.loss.flatMap((seeds, i) =>
        seeds.map((value, seed): (string | number)[] => [
          name,
          "loss",
          state.data.buckets[i][0],
          state.data.buckets[i][1],
          seed,
          value,
        ]),
      ),
      ...curve.recall.flatMap((seeds, i) =>
        seeds.map((value, seed): (string | number)[] => [
          name,
          "recall",
          state.data.distances[i],
          state.data.distances[i],
          seed,
          value,
        ]),
      ),
    ]);
    return toCsv(["condition", "measure", "from", "to", "seed", "value"], rows);
  }
  const [first] = tableData(figure, state);
  return toCsv(first.columns, first.rows);
}

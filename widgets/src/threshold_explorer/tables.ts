// The figure's numbers as tables and as rows of a file.
import { toCsv } from "../base/save";
import type { TableData } from "../base/table";
import { interval, labelLevel, percent, shownLevel, type ThresholdFigure } from "./figure";
import { groups, kinds } from "./panels/subgroups";
import { at, precision, type Rates } from "./decisions";
import { byLabel, FILTERS, NO_GROUP, PARTS, ranked, ratesOf, type Part, type State } from "./state";

const PART_NAMES = Object.keys(PARTS) as Part[];

export function tableData(figure: ThresholdFigure, state: State): TableData[] {
  const { text, data } = figure;
  const { tables } = text;
  const four = [tables.harmful, tables.missed, tables.harmless, tables.blocked];
  const counts = ({ harmful, missed, harmless, blocked }: Rates): number[] => [
    harmful,
    missed,
    harmless,
    blocked,
  ];
  const level = shownLevel(state.level);
  const part = text.parts[state.part];
  const { points, auroc } = ranked(state, state.part);
  const curve = {
    caption: tables.curve(part),
    columns: [
      tables.threshold,
      tables.missedShare,
      tables.blockedShare,
      tables.precision(percent(state.prevalence)),
    ],
    rows: points.map((point) => {
      const found = at(points, point);
      const exact = precision(found, state.prevalence);
      return [
        shownLevel(point.level),
        percent(found.missed / found.harmful),
        percent(found.blocked / found.harmless),
        exact === null ? "–" : percent(exact),
      ];
    }),
  };
  return [
    {
      caption: tables.parts(level),
      columns: [tables.filter, ...four, "AUROC"],
      rows: FILTERS.flatMap((filter) =>
        PART_NAMES.map((name) => {
          const area = ranked(state, name, filter).auroc;
          const title = `${text.filters[filter]} · ${text.parts[name]}`;
          return [title, ...counts(ratesOf(state, name, filter)), area === null ? "–" : area.toFixed(2)];
        }),
      ),
    },
    {
      caption: tables.labels(part),
      columns: [tables.label, tables.threshold, ...four],
      rows: data.labels.map((name, i) => {
        const own = labelLevel(state, i);
        return [text.labels[name], own === null ? text.never : shownLevel(own), ...counts(byLabel(state, i))];
      }),
    },
    {
      caption: tables.rows,
      columns: [tables.row, ...four, tables.missedShare, tables.blockedShare],
      rows: [...kinds(state, text), ...groups(state, text)].map(({ name, found }) => [
        name,
        ...counts(found),
        interval(found.missed, found.harmful),
        interval(found.blocked, found.harmless),
      ]),
    },
    ...(auroc === null ? [] : [curve]),
  ];
}

/** Every sentence: its kind, group and labels, and the logits of both filters. */
export function csv({ data }: ThresholdFigure): string {
  const { labels } = data;
  const columns = [
    "kind",
    "group",
    ...labels,
    ...FILTERS.flatMap((name) => labels.map((label) => `${name}_${label}`)),
  ];
  const rows = data.kinds.map((kind, i) => [
    data.kindNames[kind],
    data.groups[i] === NO_GROUP ? "" : data.groupNames[data.groups[i]],
    ...labels.map((_, at) => (data.truth[i] >> at) & 1),
    ...FILTERS.flatMap((name) => labels.map((_, at) => data.filters[name].logits[i * labels.length + at])),
  ]);
  return toCsv(columns, rows);
}

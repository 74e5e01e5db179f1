// The figure's numbers as tables and as rows of a file.
import { toCsv } from "../base/save";
import type { TableData } from "../base/table";
import type { Swaps } from "./attack";
import { NAMES } from "./curves";
import { shown, type PlaygroundFigure } from "./figure";
import { seen, type State } from "./state";

/** What the deletion of each word does, and the best swap of it; of words with synonyms alone, or of all. */
export function wordTable(
  { text }: PlaygroundFigure,
  { words, of }: State,
  withSynonyms = false,
): TableData[] {
  if (!words || !of) return [];
  const { tables } = text;
  const rows = words.map(({ importance, swap, option }, i) => [
    of.words[i],
    shown(importance, 3),
    swap === null ? "–" : shown(swap, 3),
    option || "–",
  ]);
  return [
    {
      caption: tables.words,
      columns: [tables.word, tables.deleted, tables.swapped, tables.option],
      rows: withSynonyms ? rows.filter((_, i) => of.options.has(i)) : rows,
    },
  ];
}

export function tableData(figure: PlaygroundFigure, state: State): TableData[] {
  const { text } = figure;
  const { race, bound, of } = state;
  const { tables } = text;
  const found: TableData[] = [];
  if (race)
    found.push({
      caption: tables.race,
      columns: [tables.query, text.greedy, text.random],
      rows: Array.from({ length: state.last + 1 }, (_, queries) => [
        String(queries),
        ...[race.greedy, race.random].map((trace) => {
          const now = seen(trace, race.start, queries);
          return shown(now.ahead, 3) + (now.won ? ` ✗` : "");
        }),
      ]),
    });
  const how = (swaps: Swaps): string =>
    [...swaps].map(([at, word]) => text.swap(of?.words[at] ?? "", word)).join(", ") || "–";
  if (bound)
    found.push({
      caption: tables.bound,
      columns: [tables.changes, tables.exact, tables.greedy, tables.how],
      rows: bound.worst.map(({ margin, swaps }, k) => [
        String(k),
        shown(margin, 3),
        shown(bound.greedy[k], 3),
        how(swaps),
      ]),
    });
  return [...found, ...wordTable(figure, state)];
}

/** Every query of both attacks on the text, and what the attacks leave of all sentences. */
export function csv({ state, data }: PlaygroundFigure): string {
  const rows: (string | number)[][] = [];
  const { race, of } = state;
  if (race && of)
    for (const [name, trace] of Object.entries({ greedy: race.greedy, random: race.random }))
      trace.steps.forEach(({ asked, lead, ahead }, i) => {
        const words = of.words.map((word, at) => asked.swaps.get(at) ?? word);
        const text = words.filter((_, at) => at !== asked.without).join(" ");
        rows.push([name, i + 1, text, lead, ahead, ""]);
      });
  for (const name of NAMES)
    data.curves.left[name].forEach((left, queries) => {
      rows.push([name, queries, "", "", "", left]);
    });
  return toCsv(["attack", "query", "text", "lead", "held", "accuracy_left"], rows);
}

// From trait values to what AttackPlayground shows: data checked once, choices kept within their ranges.
import type { AnyModel } from "../base/afm";
import { clamp, oneOf } from "../base/traits";
import { classOf, lead, mostOf, moves, textOf, type Answer, type Moves, type Swaps } from "./attack";
import { readCurves, type Curves } from "./curves";
import type { Bound } from "./linear";
import { ORDERS, type Order, type Race, type Trace, type Word } from "./race";
import { type Results, resultsOf } from "./results";
import type { Strings } from "./strings/index";
import { SENSES, type Senses } from "./vocabulary";

/** Queries that the figure shows at least. */
export const LEAST = 12;

/** A verse that comes with the page, and what the linear model makes of it. */
export interface Example {
  text: string;
  label: number;
  options: ReadonlyMap<number, readonly string[]>;
  bound: Bound;
  answers: string;
}

export interface Data {
  /** Names of the classes. */
  labels: string[];
  examples: Example[];
  curves: Curves;
  /** Checkpoint of the classifier, and of the tables. */
  live: string;
  tables: string;
}

/** The reader's own text. */
export interface Mine {
  swaps: Swaps;
  text: string;
  /** Null while nothing is known. */
  answer: Answer | null;
  /** Texts that the reader has asked about. */
  queries: number;
}

export interface State {
  data: Data;
  verse: string;
  /** Place of the example; -1 for a text of the reader's. */
  example: number;
  /** Null while the table of synonyms is not there. */
  of: Moves | null;
  senses: Senses;
  /** Whether the threat is another one than that of the curves. */
  other: boolean;
  order: Order;
  seed: number;
  words: Word[] | null;
  race: Race | null;
  bound: Bound | null;
  mine: Mine;
  /** Place of the chosen word, -1 for none. */
  word: number;
  /** Queries that are shown, and how many can be. */
  queries: number;
  last: number;
  /** By which what was computed here is found again. */
  key: string;
  status: string;
  /** Tokens that the classifier reads of a verse that is too long for it; 0 where it reads all. */
  cut: number;
  story: number;
  table: boolean;
}

export const CHOICES = [
  "example",
  "sentence",
  "swaps",
  "word",
  "queries",
  "changes",
  "senses",
  "order",
  "seed",
  "story",
  "view",
];

/** Initial values of the choices, the same in Python. */
export const INITIAL: Record<string, unknown> = {
  example: 0,
  sentence: "",
  swaps: {},
  word: -1,
  queries: 12,
  changes: 0,
  senses: "common",
  order: "deletion",
  seed: 0,
  story: -1,
  view: "figure",
};

/** Trait values for a page that has no saved state; the data set comes from the registry of components. */
export function defaults(data: unknown): Record<string, unknown> {
  const choices = { ...INITIAL, language: "", data_sha256: "" };
  if (!data) return choices;
  const { format, ...traits } = data as { format: number };
  if (format !== 1) throw new Error(`the data set has format ${format}, wanted 1`);
  return { ...choices, ...traits };
}

interface Published {
  text: string;
  label: number;
  options: Record<string, string[]>;
  answers: string;
  bound: { margins: number[]; swaps: Record<string, string>[]; greedy: number[] };
}

const byPlace = <Value>(given: Record<string, Value>): Map<number, Value> =>
  new Map(Object.entries(given).map(([at, value]) => [Number(at), value]));

export function readData(model: AnyModel, text: Strings): Data {
  const labels = (model.get("labels") ?? []) as string[];
  const examples = ((model.get("examples") ?? []) as Published[]).map(
    ({ options, bound, ...more }): Example => ({
      ...more,
      options: byPlace(options),
      bound: {
        label: more.label,
        worst: bound.margins.map((margin, k) => ({ margin, swaps: byPlace(bound.swaps[k]) })),
        greedy: bound.greedy,
      },
    }),
  );
  if (!examples.length) throw new Error(text.bad.examples);
  const wrong = examples.find(({ label }) => !labels[label]);
  if (wrong) throw new Error(text.bad.label(wrong.label, labels.length));
  return {
    labels,
    examples,
    curves: readCurves(model.get("curves"), text),
    live: String(model.get("live") ?? ""),
    tables: String(model.get("tables") ?? ""),
  };
}

/** What may be done to a text; of a verse of the page it is known without the table. */
function threat(results: Results, verse: string, example: Example | undefined, senses: Senses): Moves | null {
  if (example && senses === "common")
    return { words: verse.split(" "), options: example.options, most: mostOf(verse.split(" ").length) };
  const { tables } = results;
  return tables && moves(verse, (word) => tables.candidates(word, senses));
}

/** The same for so many words, 0 for as many as the rule has; more places than there are change nothing. */
const limited = (rule: Moves, changes: number): Moves => ({
  ...rule,
  most: Math.min(changes || rule.most, Math.max(1, rule.options.size)),
});

const without = (of: Moves | null, given: unknown): Swaps =>
  new Map(
    [...byPlace((given ?? {}) as Record<string, unknown>)].filter((one): one is [number, string] =>
      (of?.options.get(one[0]) ?? []).some((option) => option === one[1]),
    ),
  );

export function readState(model: AnyModel, data: Data): State {
  const results = resultsOf(model);
  const typed = String(model.get("sentence") ?? "").trim();
  const known = data.examples.findIndex(({ text }) => text === typed);
  const given = Math.round(clamp(model.get("example"), 0, data.examples.length - 1, 0));
  const example = typed ? known : given;
  const own = data.examples[example] as Example | undefined;
  const verse = own?.text ?? typed.split(/\s+/).join(" ");
  const senses = oneOf<Senses>(model.get("senses"), SENSES, "common");
  const order = oneOf<Order>(model.get("order"), ORDERS, "deletion");
  const seed = Math.round(clamp(model.get("seed"), 0, 99, 0));
  const rule = threat(results, verse, own, senses);
  const changes = Math.round(clamp(model.get("changes"), 0, 99, 0));
  const of = rule && limited(rule, changes);
  if (own) results.take(own, data);
  const key = [verse, senses, of?.most, order, seed].join("|");
  const swaps = without(of, model.get("swaps"));
  const text = of ? textOf(of, { swaps }) : verse;
  const found = of && results.race(key, of, order, seed);
  const last = found
    ? Math.max(LEAST, found.race.greedy.steps.length, found.race.random.steps.length)
    : LEAST;
  return {
    data,
    verse,
    example,
    of,
    senses,
    other: senses !== "common" || Boolean(rule && of?.most !== limited(rule, 0).most),
    order,
    seed,
    words: found?.words ?? null,
    race: found?.race ?? null,
    bound: own && senses === "common" ? own.bound : of && results.bound(`${verse}|${senses}`, of),
    mine: {
      swaps,
      text,
      answer: results.known(text) ?? null,
      queries: results.tried(verse, swaps.size ? text : ""),
    },
    word: of ? Math.round(clamp(model.get("word"), -1, of.words.length - 1, -1)) : -1,
    queries: Math.round(clamp(model.get("queries"), 0, last, last)),
    last,
    key,
    status: results.status,
    cut: results.cut.get(verse) ?? 0,
    story: Math.round(clamp(model.get("story"), -1, 99, -1)),
    table: model.get("view") === "table",
  };
}

/** An attack after so many queries. */
export interface Seen {
  /** Queries that it has used. */
  used: number;
  swaps: Swaps;
  /** How far the right class is ahead. */
  ahead: number;
  /** The query at which it deceived, 0 where it has not. */
  won: number;
  /** It has stopped without success. */
  over: boolean;
}

export function seen({ steps, found }: Trace, start: number, queries: number): Seen {
  const used = Math.min(queries, steps.length);
  const step = steps[used - 1];
  const done = used === steps.length;
  return {
    used,
    swaps: step?.held ?? new Map(),
    ahead: step?.ahead ?? start,
    won: done && found.succeeded ? found.queries : 0,
    over: done && !found.succeeded,
  };
}

/** What the classifier says of a verse with swaps: the class, and how far it is ahead; null if not known. */
export function readingOf(
  model: AnyModel,
  of: Moves | null,
  swaps: Swaps,
): { label: number; p: number; lead: number } | null {
  const answer = of && resultsOf(model).known(textOf(of, { swaps }));
  if (!answer) return null;
  const label = classOf(answer);
  return { label, p: answer[label], lead: lead(answer, label) };
}

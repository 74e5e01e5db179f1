// From trait values to what ThresholdExplorer shows: data checked once, choices kept within their ranges.
import type { AnyModel } from "../base/afm";
import { fromBase64 } from "../base/bytes";
import { clamp, isNumber, oneOf } from "../base/traits";
import {
  auroc,
  combined,
  decode,
  HIGHEST,
  LOWEST,
  NEVER,
  operating,
  rates,
  type Point,
  type Rates,
  type Scored,
  type Sigmoid,
} from "./decisions";
import type { Strings } from "./strings";

export const FILTERS = ["bert", "heads"] as const;
export type Filter = (typeof FILTERS)[number];

/** Sentences that are counted together, by the kinds of the data set. */
export const PARTS = {
  seen: ["seen"],
  unseen: ["unseen"],
  own: ["plain", "hard", "insult", "threat", "obscene", "identity_attack"],
  corpus: ["corpus"],
} as const;
export type Part = keyof typeof PARTS;
/** Parts that a reader chooses from; seen templates are always beside them. */
export const CHOSEN = ["unseen", "own", "corpus"] as const;
export const CURVES = ["roc", "pr"] as const;
export const NO_GROUP = 255;

export interface Data {
  labels: string[];
  /** Names of the kinds, and the kind, labels (the first as the lowest bit) and group of each sentence. */
  kindNames: string[];
  kinds: number[];
  truth: number[];
  groupNames: string[];
  groups: number[];
  /** Places of the sentences of each kind, group and part. */
  byKind: number[][];
  byGroup: number[][];
  byPart: Record<Part, number[]>;
  filters: Record<Filter, { logits: number[]; sigmoids: Sigmoid[] }>;
}

/** A part as a filter ranks it. */
export interface Ranked extends Scored {
  points: Point[];
  auroc: number | null;
}

export interface State {
  data: Data;
  filter: Filter;
  part: (typeof CHOSEN)[number];
  /** The common threshold, a logit. */
  level: number;
  shifts: number[];
  calibrated: boolean;
  prevalence: number;
  ratio: number;
  curve: (typeof CURVES)[number];
  story: number;
  table: boolean;
}

export const CHOICES = [
  "filter",
  "part",
  "threshold",
  "shifts",
  "calibrated",
  "prevalence",
  "ratio",
  "curve",
  "story",
  "view",
];

/** Initial values of the choices, the same in Python. */
export const INITIAL: Record<string, unknown> = {
  filter: "bert",
  part: "own",
  threshold: 0.5,
  shifts: [0, 0, 0, 0, 0],
  calibrated: false,
  prevalence: 0.01,
  ratio: 5,
  curve: "roc",
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

export const probability = (level: number): number => 1 / (1 + Math.exp(-level));

/** A threshold as a logit, within the figure's range. */
export const levelOf = (share: number): number =>
  Math.min(HIGHEST, Math.max(LOWEST, Math.log(share / (1 - share))));

/** Where a value is in a list. */
const placesOf = (list: readonly number[], value: number): number[] =>
  list.flatMap((one, i) => (one === value ? [i] : []));

type Given = { scores?: unknown; sigmoids?: unknown };

export function readData(model: AnyModel, text: Strings): Data {
  const bytes = (name: string): number[] => {
    const view = fromBase64(String(model.get(name) ?? ""));
    return Array.from({ length: view.byteLength }, (_, i) => view.getUint8(i));
  };
  const labels = (model.get("labels") ?? []) as string[];
  const kindNames = Object.keys((model.get("kind_labels") ?? {}) as object);
  const absent = Object.values(PARTS)
    .flat()
    .filter((kind) => !kindNames.includes(kind));
  if (absent.length) throw new Error(text.bad.kinds(absent.join(", ")));
  const kinds = bytes("kinds");
  const of = (name: "truth" | "groups"): number[] => {
    const found = bytes(name);
    if (found.length !== kinds.length) throw new Error(text.bad.bytes(name, found.length, kinds.length));
    return found;
  };
  const given = (model.get("filters") ?? {}) as Record<string, Given>;
  const read = (name: Filter): Data["filters"][Filter] => {
    if (!given[name]) throw new Error(text.bad.filter(name));
    const logits = decode(fromBase64(String(given[name].scores ?? "")));
    const wanted = kinds.length * labels.length;
    if (logits.length !== wanted) throw new Error(text.bad.bytes(name, logits.length, wanted));
    return { logits, sigmoids: given[name].sigmoids as Sigmoid[] };
  };
  const groupNames = (model.get("group_labels") ?? []) as string[];
  const groups = of("groups");
  const byKind = kindNames.map((_, kind) => placesOf(kinds, kind));
  const inPart = (part: Part): number[] =>
    PARTS[part].flatMap((kind) => byKind[kindNames.indexOf(kind)]).sort((a, b) => a - b);
  return {
    labels,
    kindNames,
    kinds,
    truth: of("truth"),
    groupNames,
    groups,
    byKind,
    byGroup: groupNames.map((_, group) => placesOf(groups, group)),
    byPart: {
      seen: inPart("seen"),
      unseen: inPart("unseen"),
      own: inPart("own"),
      corpus: inPart("corpus"),
    },
    filters: { bert: read("bert"), heads: read("heads") },
  };
}

export function readState(model: AnyModel, data: Data): State {
  const given = model.get("shifts");
  const shifts = Array.isArray(given) ? given : [];
  const share = (name: string): number =>
    clamp(model.get(name), Number.MIN_VALUE, 1 - Number.EPSILON, Number(INITIAL[name]));
  return {
    data,
    filter: oneOf<Filter>(model.get("filter"), FILTERS, "bert"),
    part: oneOf<State["part"]>(model.get("part"), CHOSEN, "own"),
    level: levelOf(share("threshold")),
    shifts: data.labels.map((_, i) => (isNumber(shifts[i]) ? clamp(shifts[i], -NEVER, NEVER, 0) : 0)),
    calibrated: model.get("calibrated") === true,
    prevalence: share("prevalence"),
    ratio: clamp(model.get("ratio"), 1e-3, 1e6, 5),
    curve: oneOf<State["curve"]>(model.get("curve"), CURVES, "roc"),
    story: Math.round(clamp(model.get("story"), -1, 99, -1)),
    table: model.get("view") === "table",
  };
}

interface Known {
  key: string;
  scores: number[];
  parts: Partial<Record<Part, Ranked>>;
}

const known = new WeakMap<Data, Partial<Record<Filter, Known>>>();

function scoresBy({ data, shifts, calibrated }: State, filter: Filter): Known {
  const all = known.get(data) ?? {};
  known.set(data, all);
  const key = [calibrated, ...shifts].join();
  if (all[filter]?.key !== key) {
    const { logits, sigmoids } = data.filters[filter];
    all[filter] = { key, scores: combined(logits, shifts, calibrated ? sigmoids : null), parts: {} };
  }
  return all[filter]!;
}

/** A part as a filter ranks it; as that of the state where none is named. */
export function ranked(state: State, part: Part, filter: Filter = state.filter): Ranked {
  const { data } = state;
  const found = scoresBy(state, filter);
  const before = found.parts[part];
  if (before) return before;
  const chosen = data.byPart[part];
  const scored = {
    scores: chosen.map((i) => found.scores[i]),
    harmful: chosen.map((i) => data.truth[i] > 0),
  };
  const points = operating(scored);
  const next = { ...scored, points, auroc: auroc(points) };
  found.parts[part] = next;
  return next;
}

export const ratesOf = (state: State, part: Part, filter: Filter = state.filter): Rates =>
  rates(ranked(state, part, filter), state.level);

/** How many sentences, of those that are asked for, a label alone misses and blocks. */
export function byLabel(state: State, label: number): Rates {
  const { data, filter, shifts, calibrated, part, level } = state;
  const { logits, sigmoids } = data.filters[filter];
  const chosen = data.byPart[part];
  const own = chosen.map((i) => logits[i * data.labels.length + label]);
  return rates(
    {
      scores: combined(own, [shifts[label]], calibrated ? [sigmoids[label]] : null),
      harmful: chosen.map((i) => Boolean((data.truth[i] >> label) & 1)),
    },
    level,
  );
}

/** Counts among some sentences, at the state's thresholds. */
export function among(state: State, places: readonly number[]): Rates {
  const { scores } = scoresBy(state, state.filter);
  return rates(
    { scores: places.map((i) => scores[i]), harmful: places.map((i) => state.data.truth[i] > 0) },
    state.level,
  );
}

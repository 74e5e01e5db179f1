// From trait values to what ModelMerging shows: data checked once, choices kept within their ranges.
import type { AnyModel } from "../base/afm";
import { fromBase64 } from "../base/bytes";
import { clamp, isNumber, oneOf } from "../base/traits";
import { Landscape, sum, type Scores } from "./landscape";
import type { Prompt } from "./measure";
import { answersOf, keyOf, resultsOf, type Answers } from "./results";
import { factors, RULES, type Merge, type Rule } from "./rules";
import type { Strings } from "./strings";

export const LOWEST = -0.5;
export const HIGHEST = 1.5;
/** Steps of the sliders and of the arrow keys. */
export const STEP = 0.05;

/** Places of the two tasks whose weights are the axes of the plane, across and up, and of the third. */
export const PLANES = [
  { x: 0, y: 1, third: 2 },
  { x: 0, y: 2, third: 1 },
  { x: 1, y: 2, third: 0 },
] as const;

export interface Data {
  tasks: string[];
  /** Steps of fine-tuning of the two sets of task vectors. */
  trained: number[];
  landscape: Landscape;
  prompts: Prompt[];
  texts: number[][];
  /** Prompts of each task. */
  asked: number[];
  published: Record<string, Record<string, string>>;
  facts: Record<string, unknown>;
  live: string;
}

/** Where the scores come from: measured, or between measurements. */
export type Kind = "exact" | "estimate";

export interface State {
  data: Data;
  how: Merge;
  plane: (typeof PLANES)[number];
  /** Place of the steps among `trained`. */
  length: number;
  prompt: string;
  answers: Answers;
  /** Null where nothing is known of this rule yet. */
  scores: (Scores & { kind: Kind }) | null;
  /** By which what was measured here is found again. */
  key: string;
  status: string;
  story: number;
  table: boolean;
}

export const CHOICES = [
  "weights",
  "plane",
  "rule",
  "density",
  "seed",
  "steps",
  "embedding",
  "prompt",
  "story",
  "view",
];

/** Initial values of the choices, the same in Python. */
export const INITIAL: Record<string, unknown> = {
  weights: [0.75, 0.75, 0.75],
  plane: 0,
  rule: "sum",
  density: 0.5,
  seed: 0,
  steps: 80,
  embedding: true,
  prompt: "",
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

export function readData(model: AnyModel, text: Strings): Data {
  const tasks = (model.get("tasks") ?? []) as string[];
  const axis = (model.get("axis") ?? []) as number[];
  const trained = (model.get("trained") ?? []) as number[];
  if (tasks.length !== 3) throw new Error(text.bad.tasks(tasks.length));
  const bytes = fromBase64(String(model.get("grid") ?? ""));
  const wanted = Landscape.size(trained.length, axis.length, tasks.length);
  if (bytes.byteLength !== 2 * wanted) throw new Error(text.bad.grid(bytes.byteLength, 2 * wanted));
  const values = Uint16Array.from({ length: wanted }, (_, i) => bytes.getUint16(2 * i, true));
  const prompts = ((model.get("prompts") ?? []) as [string, string, string][]).map(
    ([task, prompt, answer]) => ({ task: tasks.indexOf(task), prompt, answer }),
  );
  return {
    tasks,
    trained,
    prompts,
    landscape: new Landscape(values, axis, tasks.length),
    texts: (model.get("texts") ?? []) as number[][],
    asked: tasks.map((_, at) => prompts.filter(({ task }) => task === at).length),
    published: (model.get("answers") ?? {}) as Data["published"],
    facts: (model.get("facts") ?? {}) as Data["facts"],
    live: String(model.get("live") ?? ""),
  };
}

/** A weight as it is kept: on the sliders' steps. */
export const snapped = (weight: number): number =>
  Math.min(HIGHEST, Math.max(LOWEST, Math.round(weight / STEP) * STEP));

export function readState(model: AnyModel, data: Data): State {
  const given = model.get("weights");
  const list = Array.isArray(given) ? given : [];
  const weights = data.tasks.map((_, i) => (isNumber(list[i]) ? clamp(list[i], LOWEST, HIGHEST, 0) : 0));
  const plane = PLANES[Math.round(clamp(model.get("plane"), 0, PLANES.length - 1, 0))];
  const how: Merge = {
    weights,
    rule: oneOf<Rule>(model.get("rule"), RULES, "sum"),
    density: clamp(model.get("density"), 0.05, 1, 0.5),
    seed: Math.round(clamp(model.get("seed"), 0, 99, 0)),
    embedding: model.get("embedding") !== false,
    pair: [plane.x, plane.y],
  };
  const length = Math.max(0, data.trained.indexOf(Number(model.get("steps"))));
  const key = keyOf(how, length);
  const { landscape } = data;
  const known = resultsOf(model).scores.get(key);
  const place = factors(how);
  const inGrid = how.rule === "sum" || how.rule === "average";
  const kind: Kind = known || landscape.isNode(place) ? "exact" : "estimate";
  const scores = known ?? (inGrid ? landscape.estimate(length, how.embedding, place) : null);
  const prompt = String(model.get("prompt") ?? "") || data.prompts[0]?.prompt || "";
  return {
    data,
    how,
    plane,
    length,
    key,
    prompt,
    scores: scores && { ...scores, kind },
    answers: answersOf(model, data, key, length, prompt, isOpening(how, length)),
    status: resultsOf(model).status,
    story: Math.round(clamp(model.get("story"), -1, 99, -1)),
    table: model.get("view") === "table",
  };
}

/** Whether this is the state for which the data set has answers. */
const isOpening = (how: Merge, length: number): boolean =>
  length === 0 &&
  how.rule === "sum" &&
  how.embedding &&
  how.weights.join() === (INITIAL.weights as number[]).join();

/** What an expert alone answers: its own vector, whole. */
export function expertScores({ data, length }: State, task: number): Scores {
  const { axis } = data.landscape;
  const at = data.tasks.map((_, i) => axis.indexOf(i === task ? 1 : 0));
  return data.landscape.node(length, true, at);
}

export function baseScores({ data }: State): Scores {
  const zero = data.landscape.axis.indexOf(0);
  return data.landscape.node(
    0,
    true,
    data.tasks.map(() => zero),
  );
}

/** The expert that answers most of all prompts, and how many. */
export function bestExpert(state: State): { task: number; right: number } {
  return state.data.tasks
    .map((_, task) => ({ task, right: sum(expertScores(state, task).right) }))
    .reduce((best, next) => (next.right > best.right ? next : best));
}

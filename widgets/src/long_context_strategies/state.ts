// From trait values to what LongContextStrategies shows: data checked once, choices kept within their ranges.
import type { AnyModel } from "../base/afm";
import { clamp, isNumber, oneOf } from "../base/traits";
import { GROUPS, type Group } from "./conditions";
import { KINDS, layersToSee, meanPathLength, visible, type Kind, type Pattern } from "./masks";
import { MODELS, RIVALS, SHARINGS, type Retrieval, type Rival, type Sharing } from "./cost";
import type { LongContextStrings } from "./strings";
import { METHODS, ROTARY, type Method, type Rotary } from "./rotary";

export const TOPICS = ["mask", "position", "measured", "cost"] as const;
export type Topic = (typeof TOPICS)[number];

/**
 * Methods of the figure: LongRoPE's factors come from a search, not from a formula that a slider could move.
 */
export const SHOWN_METHODS: readonly Method[] = METHODS.filter((method) => method !== "longrope");

/** Losses and recalls of one condition: a row for each bucket or distance, a column for each seed. */
export interface Curve {
  loss: number[][];
  recall: number[][];
}

export interface Data {
  /** Tokens that the measured models were trained with. */
  trained: number;
  headDim: number;
  base: number;
  heads: number;
  /** The stretch that covers all that is read. */
  factor: number;
  /** First and last + 1 position of each bucket. */
  buckets: [number, number][];
  distances: number[];
  curves: Record<string, Curve>;
  model: Record<string, unknown>;
  /** The model of the curves of ALiBi. */
  alibi: Record<string, unknown>;
}

export interface Presets {
  headDim: number;
  base: number;
  trained: number;
  heads: number;
}

export interface State {
  data: Data;
  topic: Topic;
  group: Group;
  table: boolean;
  pattern: Pattern;
  tokens: number;
  layers: number;
  mask: Uint8Array;
  /** By how many layers the last token sees each token; -1 for never. */
  seenAfter: Int32Array;
  path: { mean: number; share: number };
  rotary: Rotary;
  model: string;
  sharing: Sharing | "own";
  /** Length of the context in the cost model. */
  length: number;
  /** Window and stride of the pattern in the cost model, where contexts are long. */
  wide: number;
  bytesEach: number;
  retrieval: Retrieval;
  /** A model with a state of fixed size to compare with. */
  rival: Rival | "none";
  /** How many times the operations of retrieval reading the whole text may take. */
  budget: number;
  story: number;
}

export const CHOICES = [
  "topic",
  "view",
  "kind",
  "causal",
  "window",
  "dilation",
  "anchors",
  "random",
  "seed",
  "stride",
  "sinks",
  "tokens",
  "layers",
  "method",
  "scale",
  "rope",
  "model",
  "sharing",
  "length",
  "wide",
  "bytes_each",
  "chunk",
  "passages",
  "found",
  "budget",
  "rival",
  "group",
  "story",
];
/** Initial values of the choices, the same in Python. */
export const INITIAL: Record<string, unknown> = {
  topic: "mask",
  view: "figure",
  kind: "window",
  causal: true,
  window: 8,
  dilation: 2,
  anchors: 1,
  random: 2,
  seed: 0,
  stride: 8,
  sinks: 4,
  tokens: 48,
  layers: 1,
  method: "linear",
  scale: 8,
  rope: "measured",
  model: "Llama-3.1-8B",
  sharing: "own",
  length: 131072,
  wide: 4096,
  bytes_each: 2,
  chunk: 256,
  passages: 5,
  found: 0.9,
  budget: 8,
  rival: "none",
  group: "untuned",
  story: -1,
};

interface Published {
  format: number;
  config: Record<string, unknown>;
  curves: Record<string, Curve>;
}

/** Trait values for a page that has no saved state; the data set comes from the registry of components. */
export function defaults(data: unknown): Record<string, unknown> {
  const choices = { ...INITIAL, language: "", data_sha256: "" };
  if (!data) return choices;
  const { format, config, curves } = data as Published;
  if (format !== 1) throw new Error(`the data set has format ${format}, wanted 1`);
  return { ...choices, config, curves };
}

export function readData(model: AnyModel, text: LongContextStrings): Data {
  const config = (model.get("config") ?? {}) as Record<string, unknown>;
  const curves = (model.get("curves") ?? {}) as Record<string, Curve>;
  for (const name of ["trained", "head_dim", "base", "heads", "factor"]) {
    if (!isNumber(config[name])) throw new Error(text.bad.config(name, String(config[name])));
  }
  const buckets = (config.buckets ?? []) as [number, number][];
  const distances = (config.distances ?? []) as number[];
  for (const [name, curve] of Object.entries(curves)) {
    for (const [what, wanted] of [
      ["loss", buckets.length],
      ["recall", distances.length],
    ] as const) {
      const rows = curve[what] ?? [];
      if (rows.length !== 0 && rows.length !== wanted)
        throw new Error(text.bad.curve(name, what, rows.length, wanted));
    }
  }
  return {
    trained: config.trained as number,
    headDim: config.head_dim as number,
    base: config.base as number,
    heads: config.heads as number,
    factor: config.factor as number,
    buckets,
    distances,
    curves,
    model: (config.model ?? {}) as Record<string, unknown>,
    alibi: (config.alibi_model ?? {}) as Record<string, unknown>,
  };
}

/** Rotations that can be looked at: those of the measured models, and of two published ones. */
export function ropes(data: Data): Record<string, Presets> {
  return {
    measured: { headDim: data.headDim, base: data.base, trained: data.trained, heads: data.heads },
    "Llama-2-7B": { headDim: 128, base: 10000, trained: 4096, heads: 32 },
    "Llama-3-8B": { headDim: 128, base: 500000, trained: 8192, heads: 32 },
  };
}

export function readState(model: AnyModel, data: Data): State {
  const real = (name: string, low: number, high: number): number =>
    clamp(model.get(name), low, high, INITIAL[name] as number);
  const whole = (name: string, low: number, high: number): number => Math.round(real(name, low, high));
  const pattern: Pattern = {
    kind: oneOf<Kind>(model.get("kind"), KINDS, "window"),
    causal: model.get("causal") !== false,
    window: whole("window", 1, 1 << 20),
    dilation: whole("dilation", 1, 64),
    anchors: whole("anchors", 0, 1 << 20),
    random: whole("random", 0, 4096),
    seed: whole("seed", 0, 9999),
    stride: whole("stride", 1, 1 << 20),
    sinks: whole("sinks", 0, 1 << 20),
  };
  const tokens = whole("tokens", 8, 96);
  const mask = visible(pattern, tokens);
  const rope = oneOf(model.get("rope"), Object.keys(ropes(data)), "measured");
  const { headDim, base, trained } = ropes(data)[rope];
  return {
    data,
    pattern,
    tokens,
    mask,
    topic: oneOf(model.get("topic"), TOPICS, "mask"),
    group: oneOf(model.get("group"), GROUPS, "untuned"),
    table: model.get("view") === "table",
    layers: whole("layers", 1, 96),
    seenAfter: layersToSee(mask, tokens),
    path: meanPathLength(mask, tokens),
    rotary: {
      ...ROTARY,
      method: oneOf<Method>(model.get("method"), SHOWN_METHODS, "linear"),
      headDim,
      base,
      trained,
      factor: real("scale", 1, 32),
    },
    model: oneOf(model.get("model"), Object.keys(MODELS), "Llama-3.1-8B"),
    sharing: oneOf<Sharing | "own">(model.get("sharing"), ["own", ...SHARINGS], "own"),
    length: whole("length", 512, 1 << 20),
    wide: whole("wide", 16, 1 << 17),
    bytesEach: real("bytes_each", 0.5, 4),
    retrieval: {
      chunk: whole("chunk", 1, 1 << 16),
      passages: whole("passages", 1, 1000),
      question: 32,
      found: real("found", 0, 1),
      answered: 0.9,
    },
    rival: oneOf<Rival | "none">(model.get("rival"), ["none", ...RIVALS], "none"),
    budget: real("budget", 1, 1024),
    story: whole("story", -1, 99),
  };
}

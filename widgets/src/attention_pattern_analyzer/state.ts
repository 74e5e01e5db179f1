// From trait values to what is drawn: readings checked and unpacked once, the reader's choices kept within their ranges.
import type { AnyModel } from "../base/afm";
import { ofArrays, unpack, type PackedWeights } from "./packing";
import {
  cellsOf,
  kindOf,
  measure,
  METRICS,
  rollout,
  valueWeighted,
  type KindName,
  type Metric,
} from "./patterns";
import { float32, fromBase64 } from "../base/bytes";
import type { AnalyzerStrings } from "./strings";
import type { Pass, TinyModel } from "../reader/model";

export type Weighting = "raw" | "value" | "rollout";
export const WEIGHTINGS: readonly Weighting[] = ["raw", "value", "rollout"];
export const LENSES = ["pattern", ...METRICS, "loss", "divergence"] as const;
export type Lens = (typeof LENSES)[number];
export const REMOVALS = ["zero", "mean"] as const;
export type Removal = (typeof REMOVALS)[number];
/** Tokens up to which the rollout is computed: it takes a product of matrices a layer. */
export const ROLLOUT = 128;

export interface Head {
  layer: number;
  head: number;
  kind: KindName | "mixed";
  /** In the order of METRICS; NaN where the text cannot show it. */
  metrics: Float32Array;
}

export interface Reading {
  name: string;
  title: Record<string, string>;
  model: Record<string, unknown>;
  tokens: string[];
  /** The text that is looked at, where it is another. */
  keys: string[] | null;
  causal: boolean;
  kept: number;
  loss: number | null;
  weights: PackedWeights;
  heads: Head[];
  /** Length of what each token brings, [L · H · S]; empty where it is not known. */
  norms: Float32Array;
  /** Change of the loss and divergence without a head, [zero or mean · L · H · 2]; empty where it was not measured. */
  ablation: Float32Array;
}

/** A reading as a trait or a data set holds it. */
interface RawReading {
  name: string;
  title?: Record<string, string>;
  model?: Record<string, unknown>;
  tokens: string[];
  keys?: string[] | null;
  shape: number[];
  causal: boolean;
  form: string;
  kept?: number;
  loss?: number | null;
  attention: unknown;
  metrics: unknown;
  norms: unknown;
  ablation: unknown;
}

export interface State {
  readings: Reading[];
  reading: Reading;
  index: number;
  /** What it is compared with. */
  versus: Reading | null;
  versusIndex: number;
  layer: number;
  head: number;
  token: number;
  /** Where the token looks, or who looks at it. */
  from: boolean;
  weighting: Weighting;
  residual: number;
  lens: Lens;
  removal: Removal;
  off: boolean;
  x: Metric;
  y: Metric;
  /** x from, x to, y from, y to. */
  brush: number[];
  table: boolean;
}

export const CHOICES = [
  "example",
  "versus",
  "layer",
  "head",
  "token",
  "direction",
  "weighting",
  "residual",
  "lens",
  "removal",
  "off",
  "x_metric",
  "y_metric",
  "brush",
  "view",
];
export const DATA_TRAITS = ["examples"];

const BINARY = ["attention", "metrics", "norms", "ablation"] as const;

/** Trait values for a page that has no saved state; the data set comes from the registry of components. */
export function defaults(data: unknown): Record<string, unknown> {
  const choices = {
    example: 0,
    versus: -1,
    layer: 0,
    head: 0,
    token: 0,
    direction: "from",
    weighting: "raw",
    residual: 0.5,
    lens: "pattern",
    removal: "zero",
    off: false,
    x_metric: "previous",
    y_metric: "induction",
    brush: [],
    view: "figure",
    language: "",
    data_sha256: "",
    live: "",
    sentence: "",
  };
  if (!data) return choices;
  const { format, examples, live } = data as { format: number; examples: RawReading[]; live: string };
  if (format !== 1) throw new Error(`the data set has format ${format}, wanted 1`);
  return {
    ...choices,
    live,
    examples: examples.map((example) => ({
      ...example,
      ...Object.fromEntries(BINARY.map((name) => [name, fromBase64(String(example[name]))])),
    })),
  };
}

function bytesOf(value: unknown): DataView {
  if (value instanceof DataView) return value;
  if (value instanceof ArrayBuffer) return new DataView(value);
  return ArrayBuffer.isView(value)
    ? new DataView(value.buffer, value.byteOffset, value.byteLength)
    : new DataView(new ArrayBuffer(0));
}

function floats(
  raw: RawReading,
  name: "metrics" | "norms" | "ablation",
  wanted: number,
  text: AnalyzerStrings,
): Float32Array {
  const bytes = bytesOf(raw[name]);
  if (bytes.byteLength !== 4 * wanted && (name === "metrics" || bytes.byteLength))
    throw new Error(text.bad.size(`${raw.name}: ${name}`, bytes.byteLength, 4 * wanted));
  return float32(bytes);
}

function read(raw: RawReading, text: AnalyzerStrings): Reading {
  const [layers, heads, length, size] = raw.shape;
  const keys = raw.keys ?? null;
  if (raw.tokens.length !== length || (keys ?? raw.tokens).length !== size)
    throw new Error(text.bad.tokens(raw.name, raw.tokens.length, length));
  const metrics = floats(raw, "metrics", layers * heads * METRICS.length, text);
  return {
    name: raw.name,
    title: raw.title ?? {},
    model: raw.model ?? {},
    tokens: raw.tokens,
    keys,
    causal: raw.causal,
    kept: raw.kept ?? 1,
    loss: raw.loss ?? null,
    weights: unpack(raw.form, raw.causal, bytesOf(raw.attention), { layers, heads, length, size }),
    heads: Array.from({ length: layers * heads }, (_, i) => {
      const own = metrics.subarray(i * METRICS.length, (i + 1) * METRICS.length);
      return { layer: Math.floor(i / heads), head: i % heads, metrics: own, kind: kindOf(own) };
    }),
    norms: floats(raw, "norms", layers * heads * size, text),
    ablation: floats(raw, "ablation", 4 * layers * heads, text),
  };
}

export function readData(model: AnyModel, text: AnalyzerStrings): Reading[] {
  const examples = (model.get("examples") as RawReading[] | undefined) ?? [];
  if (!examples.length) throw new Error(text.bad.empty);
  return examples.map((raw) => read(raw, text));
}

/** A sentence that the model in the page has read, as a trait holds it: weights as bytes, measured before. */
export function typedReading(
  pass: Pass,
  tokens: string[],
  engine: TinyModel,
  name: string,
): Record<string, unknown> {
  const length = tokens.length;
  const heads = engine.config.num_attention_heads;
  const { layers } = engine;
  const cells = cellsOf(tokens, true);
  const metrics = new Float32Array(layers * heads * METRICS.length);
  const row = (length * (length + 1)) / 2;
  const bytes = new Uint8Array(layers * heads * row);
  const own = ofArrays(pass.attentions, { layers, heads, length, size: length });
  let at = 0;
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      const weights = own.matrix(layer, head);
      metrics.set(measure(weights, cells), (layer * heads + head) * METRICS.length);
      for (let t = 0; t < length; t++)
        for (let s = 0; s <= t; s++) bytes[at++] = Math.round(255 * weights[t * length + s]);
    }
  }
  const norms = new Float32Array(layers * heads * length);
  engine.valueNorms(pass).forEach((of, layer) => norms.set(of, layer * heads * length));
  return {
    name: "typed",
    title: {},
    model: { checkpoint: name, parameters: engine.parameters },
    tokens,
    keys: null,
    shape: [layers, heads, length, length],
    causal: true,
    form: "dense",
    kept: 1,
    loss: length > 1 ? engine.loss(pass) : null,
    attention: new DataView(bytes.buffer),
    metrics: new DataView(metrics.buffer),
    norms: new DataView(norms.buffer),
    ablation: new DataView(new ArrayBuffer(0)),
  };
}

const clamp = (value: unknown, low: number, high: number, otherwise: number): number =>
  typeof value === "number" && Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;

function member<T extends string>(value: unknown, of: readonly T[], otherwise: T): T {
  return of.find((one) => one === value) ?? otherwise;
}

/** Why a way to weigh is not there for a reading; null where it is. */
export function missing(weighting: Weighting, reading: Reading): "norms" | "cross" | "long" | null {
  if (weighting === "value") return reading.norms.length ? null : "norms";
  if (weighting === "rollout")
    return reading.keys ? "cross" : reading.tokens.length > ROLLOUT ? "long" : null;
  return null;
}

export function readState(model: AnyModel, readings: Reading[]): State {
  const integer = (name: string, low: number, high: number, otherwise: number): number =>
    Math.round(clamp(model.get(name), low, high, otherwise));
  const index = integer("example", 0, readings.length - 1, 0);
  const reading = readings[index];
  const versusIndex = integer("versus", -1, readings.length - 1, -1);
  const weighting = member(model.get("weighting"), WEIGHTINGS, "raw");
  const lens = member<Lens>(model.get("lens"), LENSES, "pattern");
  const brush = model.get("brush");
  return {
    readings,
    reading,
    index,
    versusIndex,
    versus: versusIndex < 0 || versusIndex === index ? null : readings[versusIndex],
    layer: integer("layer", 0, reading.weights.layers - 1, 0),
    head: integer("head", 0, reading.weights.heads - 1, 0),
    token: integer("token", 0, reading.tokens.length - 1, 0),
    from: model.get("direction") !== "to",
    weighting: missing(weighting, reading) ? "raw" : weighting,
    residual: clamp(model.get("residual"), 0, 1, 0.5),
    lens: (lens === "loss" || lens === "divergence") && !reading.ablation.length ? "pattern" : lens,
    removal: member(model.get("removal"), REMOVALS, "zero"),
    off: model.get("off") === true,
    x: member<Metric>(model.get("x_metric"), METRICS, "previous"),
    y: member<Metric>(model.get("y_metric"), METRICS, "induction"),
    brush: Array.isArray(brush) && brush.length === 4 ? (brush as number[]) : [],
    table: model.get("view") === "table",
  };
}

export function headOf(reading: Reading, layer: number, head: number): Head {
  return reading.heads[layer * reading.weights.heads + head];
}

/** What changes without a head; null where it was not measured. The loss is NaN for a model that predicts no next token. */
export function ablationOf(
  reading: Reading,
  layer: number,
  head: number,
  removal: Removal,
): { loss: number; divergence: number } | null {
  if (!reading.ablation.length) return null;
  const at = 2 * (REMOVALS.indexOf(removal) * reading.heads.length + layer * reading.weights.heads + head);
  return { loss: reading.ablation[at], divergence: reading.ablation[at + 1] };
}

/** A head's number under a lens, NaN where there is none. */
export function lensValue(
  reading: Reading,
  { layer, head, metrics }: Head,
  lens: Lens,
  removal: Removal,
): number {
  if (lens === "pattern") return NaN;
  if (lens === "loss" || lens === "divergence")
    return ablationOf(reading, layer, head, removal)?.[lens] ?? NaN;
  return metrics[METRICS.indexOf(lens)];
}

/** Whether the reader's brush leaves a head out. */
export function dimmed({ brush, x, y }: State, { metrics }: Head): boolean {
  if (!brush.length) return false;
  const [a, b] = [metrics[METRICS.indexOf(x)], metrics[METRICS.indexOf(y)]];
  return !(a >= brush[0] && a <= brush[1] && b >= brush[2] && b <= brush[3]);
}

const rollouts = new WeakMap<Reading, { residual: number; after: Float64Array[] }>();

const last = new WeakMap<Reading, { key: string; matrix: Float32Array | Float64Array }>();

/** What is drawn of a head, [T · S]: attention, attention times the length of what it brings, or the rollout to its layer. */
export function matrixOf(
  reading: Reading,
  layer: number,
  head: number,
  weighting: Weighting,
  residual: number,
): Float32Array | Float64Array {
  const key = [layer, head, weighting, residual].join();
  let known = last.get(reading);
  if (known?.key !== key)
    last.set(reading, (known = { key, matrix: compute(reading, layer, head, weighting, residual) }));
  return known.matrix;
}

function compute(
  reading: Reading,
  layer: number,
  head: number,
  weighting: Weighting,
  residual: number,
): Float32Array | Float64Array {
  const { weights } = reading;
  const way = missing(weighting, reading) ? "raw" : weighting;
  if (way === "rollout") {
    let known = rollouts.get(reading);
    if (known?.residual !== residual) {
      const layers = Array.from({ length: weights.layers }, (_, l) => {
        const all = new Float32Array(weights.heads * weights.length ** 2);
        for (let one = 0; one < weights.heads; one++)
          all.set(weights.matrix(l, one), one * weights.length ** 2);
        return all;
      });
      known = { residual, after: rollout(layers, weights.heads, weights.length, residual) };
      rollouts.set(reading, known);
    }
    return known.after[layer];
  }
  const found = weights.matrix(layer, head);
  if (way === "raw") return found;
  const start = (layer * weights.heads + head) * weights.size;
  return valueWeighted(
    found,
    reading.norms.subarray(start, start + weights.size),
    weights.length,
    weights.size,
  );
}

/** A token as it is shown: blanks and line ends become visible, letters of bytes become their numbers. */
export function shown(token: string): string {
  const mark = /^[\u2581\u0120](?=.)/u;
  const text = token
    .replace(mark, "")
    .replace(/\u010a|\n|<0x0A>/g, "↵")
    .replace(/\t/g, "⇥")
    .replace(/[\u2581\u0120 ]/gu, "␣");
  return text === "" ? "∅" : text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

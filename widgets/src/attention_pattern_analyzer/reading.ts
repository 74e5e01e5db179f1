// Readings: a model's attention on one text, checked and unpacked once.
import type { AnyModel } from "../base/afm";
import { float32 } from "../base/bytes";
import { shownTokens } from "../base/text";
import { bytesOf } from "../base/traits";
import { REMOVALS, type Removal } from "./choices";
import { ofArrays, unpack, type PackedWeights } from "./packing";
import { cellsOf, kindOf, measure, METRICS, type KindName } from "./patterns";

/** What the reader is told of data that does not fit. */
export interface ErrorTexts {
  bad: {
    empty: string;
    size(what: string, got: number, want: number): string;
    tokens(name: string, got: number, want: number): string;
  };
}

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
  /** Tokens as they are shown. */
  labels: string[];
  /** The text that is looked at, where it is another. */
  keys: string[] | null;
  /** What is looked at, as it is shown: the tokens themselves, or those of the other text. */
  keyLabels: string[];
  causal: boolean;
  kept: number;
  loss: number | null;
  weights: PackedWeights;
  heads: Head[];
  /** Length of what each token brings, [L · H · S]; empty where it is not known. */
  norms: Float32Array;
  /**
   * Change of the loss and divergence without a head, [zero
   * or mean · L · H · 2]; empty where it was not measured.
   */
  ablation: Float32Array;
}

/** A reading as a trait or a data set holds it. */
export interface RawReading {
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

function floats(
  raw: RawReading,
  name: "metrics" | "norms" | "ablation",
  wanted: number,
  text: ErrorTexts,
): Float32Array {
  const bytes = bytesOf(raw[name]);
  if (bytes.byteLength !== 4 * wanted && (name === "metrics" || bytes.byteLength))
    throw new Error(text.bad.size(`${raw.name}: ${name}`, bytes.byteLength, 4 * wanted));
  return float32(bytes);
}

function read(raw: RawReading, text: ErrorTexts): Reading {
  const [layers, heads, length, size] = raw.shape;
  const keys = raw.keys ?? null;
  if (raw.tokens.length !== length || (keys ?? raw.tokens).length !== size)
    throw new Error(text.bad.tokens(raw.name, raw.tokens.length, length));
  const metrics = floats(raw, "metrics", layers * heads * METRICS.length, text);
  const labels = shownTokens(raw.tokens);
  return {
    name: raw.name,
    title: raw.title ?? {},
    model: raw.model ?? {},
    tokens: raw.tokens,
    labels,
    keys,
    keyLabels: keys ? shownTokens(keys) : labels,
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

export function readData(model: AnyModel, text: ErrorTexts): Reading[] {
  const examples = (model.get("examples") as RawReading[] | undefined) ?? [];
  if (!examples.length) throw new Error(text.bad.empty);
  return examples.map((raw) => read(raw, text));
}

/** What a model in the page gave of a sentence, whichever way it reads. */
export interface Typed {
  tokens: string[];
  /** Of each layer, [H · T · T]. */
  attentions: Float32Array[];
  /** Of each layer, [H · T]. */
  norms: Float32Array[];
  heads: number;
  causal: boolean;
  loss: number | null;
  /** Name of its checkpoint, and its size. */
  name: string;
  parameters: number;
}

/** A sentence that the model in the page has read, as a trait holds it: weights as bytes, measured before. */
export function typedReading(typed: Typed): Record<string, unknown> {
  const { tokens, attentions, heads, causal, name, parameters, loss } = typed;
  const length = tokens.length;
  const layers = attentions.length;
  const cells = cellsOf(tokens, causal);
  const metrics = new Float32Array(layers * heads * METRICS.length);
  const row = causal ? (length * (length + 1)) / 2 : length ** 2;
  const bytes = new Uint8Array(layers * heads * row);
  const own = ofArrays(attentions, { layers, heads, length, size: length });
  let at = 0;
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      const weights = own.matrix(layer, head);
      metrics.set(measure(weights, cells), (layer * heads + head) * METRICS.length);
      for (let t = 0; t < length; t++)
        for (let s = 0; s < (causal ? t + 1 : length); s++)
          bytes[at++] = Math.round(255 * weights[t * length + s]);
    }
  }
  const norms = new Float32Array(layers * heads * length);
  typed.norms.forEach((of, layer) => norms.set(of, layer * heads * length));
  return {
    name: "typed",
    title: {},
    model: { checkpoint: name, parameters },
    tokens,
    keys: null,
    shape: [layers, heads, length, length],
    causal,
    form: "dense",
    kept: 1,
    loss,
    attention: new DataView(bytes.buffer),
    metrics: new DataView(metrics.buffer),
    norms: new DataView(norms.buffer),
    ablation: new DataView(new ArrayBuffer(0)),
  };
}

export function headOf(reading: Reading, layer: number, head: number): Head {
  return reading.heads[layer * reading.weights.heads + head];
}

/**
 * What changes without a head; null where it was not measured.
 * The loss is NaN for a model that predicts no next token.
 */
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

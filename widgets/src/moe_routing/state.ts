// From trait values to what is drawn: data checked once, the reader's choices kept within their ranges.
import type { AnyModel } from "../base/afm";
import { float32, fromBase64 } from "../base/bytes";
import { shownTokens } from "../base/text";
import { bytesOf, clamp } from "../base/traits";
import { route, type Routing, type RoutingOptions } from "./math";
import type { Strings } from "./strings";

export interface Snapshot {
  run: string;
  step: number;
  val_loss?: number;
}

export interface Data {
  tokens: string[];
  /** Tokens as they are shown. */
  labels: string[];
  groups: string[];
  groupLabels: Record<string, Record<string, string>>;
  snapshots: Snapshot[];
  layers: number;
  experts: number;
  logits: Float32Array;
  model: Record<string, unknown>;
  /**
   * Change of the loss without an expert and its standard
   * error, [S · L · E · 2]; empty where it was not measured.
   */
  ablation: Float32Array;
  /** Held-out tokens behind it, 0 where it is not known. */
  ablationTokens: number;
}

export interface State {
  data: Data;
  options: RoutingOptions;
  snapshot: number;
  layer: number;
  token: number;
  expert: number;
  stage: number;
  table: boolean;
  /** Logits of the snapshot and layer shown, [tokens · experts]. */
  scores: Float32Array;
  routing: Routing;
}

export const CHOICES = [
  "run",
  "step",
  "layer",
  "selected_token",
  "selected_expert",
  "stage",
  "top_k",
  "temperature",
  "capacity_factor",
  "renormalize",
  "priority",
  "view",
];
/** Stages of a token's way through the router, from the input to the sum. */
export const STAGES = 6;

interface Published {
  format: number;
  tokens: string[];
  groups: string[];
  group_labels: Record<string, Record<string, string>>;
  shape: number[];
  snapshots: Snapshot[];
  top_k: number;
  model: Record<string, unknown>;
  logits: string;
  ablation: string;
  ablation_tokens: number;
  /** Name of the checkpoint that can read a new sentence in the page. */
  live: string;
}

/** Trait values for a page that has no saved state; the data set comes from the registry of components. */
export function defaults(data: unknown): Record<string, unknown> {
  const choices = {
    layer: 0,
    selected_token: 0,
    selected_expert: -1,
    stage: 5,
    top_k: 2,
    temperature: 1,
    capacity_factor: 0,
    renormalize: true,
    priority: false,
    view: "figure",
    language: "",
    data_sha256: "",
    live: "",
    sentence: "",
  };
  if (!data) return choices;
  const {
    format,
    tokens,
    groups,
    group_labels,
    shape,
    snapshots,
    top_k,
    model,
    logits,
    live,
    ablation,
    ablation_tokens,
  } = data as Published;
  if (format !== 1) throw new Error(`the data set has format ${format}, wanted 1`);
  const run = snapshots[0].run;
  const step = Math.max(...snapshots.filter((frame) => frame.run === run).map((frame) => frame.step));
  return {
    ...choices,
    tokens,
    groups,
    group_labels,
    shape,
    snapshots,
    model,
    logits: fromBase64(logits),
    ablation: fromBase64(ablation),
    ablation_tokens,
    top_k,
    live,
    run,
    step,
  };
}

export function readData(model: AnyModel, text: Strings): Data {
  const bytes = bytesOf(model.get("logits"));
  const shape = (model.get("shape") as number[] | undefined) ?? [];
  if (!bytes.byteLength || shape.length !== 4) throw new Error(text.bad.empty);
  const [frames, layers, length, experts] = shape;
  const wanted = 4 * frames * layers * length * experts;
  if (bytes.byteLength !== wanted)
    throw new Error(text.bad.size(bytes.byteLength, wanted, `[${shape.join(", ")}]`));
  const tokens = (model.get("tokens") as string[] | undefined) ?? [];
  if (tokens.length !== length) throw new Error(text.bad.tokens(tokens.length, length));
  const snapshots = (model.get("snapshots") as Snapshot[] | undefined) ?? [];
  if (snapshots.length !== frames) throw new Error(text.bad.snapshots(snapshots.length, frames));
  const changes = bytesOf(model.get("ablation"));
  const measured = 8 * frames * layers * experts;
  if (changes.byteLength && changes.byteLength !== measured)
    throw new Error(text.bad.ablation(changes.byteLength, measured));
  const groups = (model.get("groups") as string[] | undefined) ?? [];
  return {
    tokens,
    labels: shownTokens(tokens),
    snapshots,
    layers,
    experts,
    groups: groups.length === length ? groups : [],
    groupLabels: (model.get("group_labels") as Data["groupLabels"] | undefined) ?? {},
    logits: float32(bytes),
    model: (model.get("model") as Data["model"] | undefined) ?? {},
    ablation: float32(changes),
    ablationTokens: Number(model.get("ablation_tokens") ?? 0),
  };
}

/** The snapshot of `run` nearest to `step`, the earlier of two. */
export function nearestSnapshot(snapshots: Snapshot[], run: string, step: number): number {
  let best = 0;
  let distance = Infinity;
  snapshots.forEach((frame, i) => {
    const away = Math.abs(frame.step - step) + (frame.run === run ? 0 : 1e12);
    if (away < distance) {
      distance = away;
      best = i;
    }
  });
  return best;
}

export function scoresOf(data: Data, snapshot: number, layer: number): Float32Array {
  const size = data.tokens.length * data.experts;
  const start = (snapshot * data.layers + layer) * size;
  return data.logits.subarray(start, start + size);
}

/**
 * Change of the loss without each expert of the snapshot and
 * layer, and its standard error; null where it was not measured.
 */
export function ablationOf({ data, snapshot, layer }: State): { change: number; error: number }[] | null {
  if (!data.ablation.length) return null;
  const start = (snapshot * data.layers + layer) * data.experts;
  return Array.from({ length: data.experts }, (_, e) => ({
    change: data.ablation[2 * (start + e)],
    error: data.ablation[2 * (start + e) + 1],
  }));
}

export function readState(model: AnyModel, data: Data): State {
  const integer = (name: string, low: number, high: number, otherwise: number): number =>
    Math.round(clamp(model.get(name), low, high, otherwise));
  const options: RoutingOptions = {
    topK: integer("top_k", 1, data.experts, Math.min(2, data.experts)),
    temperature: clamp(model.get("temperature"), 0.01, 100, 1),
    capacityFactor: clamp(model.get("capacity_factor"), 0, 100, 0),
    renormalize: model.get("renormalize") !== false,
    priority: model.get("priority") === true,
  };
  const snapshot = nearestSnapshot(
    data.snapshots,
    String(model.get("run") ?? ""),
    clamp(model.get("step"), 0, Number.MAX_SAFE_INTEGER, 0),
  );
  const layer = integer("layer", 0, data.layers - 1, 0);
  const scores = scoresOf(data, snapshot, layer);
  return {
    data,
    options,
    snapshot,
    layer,
    scores,
    token: integer("selected_token", 0, data.tokens.length - 1, 0),
    expert: integer("selected_expert", -1, data.experts - 1, -1),
    stage: integer("stage", 0, 5, 5),
    table: model.get("view") === "table",
    routing: route(scores, data.tokens.length, data.experts, options),
  };
}

// From trait values to what is drawn: the reader's choices kept within what the readings have.
import type { AnyModel } from "../base/afm";
import { fromBase64 } from "../base/bytes";
import { clamp, oneOf } from "../base/traits";
import { LENSES, REMOVALS, WEIGHTINGS, type Lens, type Removal, type Weighting } from "./choices";
import { missing } from "./matrices";
import { METRICS, type Metric } from "./patterns";
import { ablationOf, type Head, type RawReading, type Reading } from "./reading";

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

export function readState(model: AnyModel, readings: Reading[]): State {
  const integer = (name: string, low: number, high: number, otherwise: number): number =>
    Math.round(clamp(model.get(name), low, high, otherwise));
  const index = integer("example", 0, readings.length - 1, 0);
  const reading = readings[index];
  const versusIndex = integer("versus", -1, readings.length - 1, -1);
  const weighting = oneOf(model.get("weighting"), WEIGHTINGS, "raw");
  const lens = oneOf<Lens>(model.get("lens"), LENSES, "pattern");
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
    lens: lensOf(lens, reading),
    removal: oneOf(model.get("removal"), REMOVALS, "zero"),
    off: model.get("off") === true,
    x: oneOf<Metric>(model.get("x_metric"), METRICS, "previous"),
    y: oneOf<Metric>(model.get("y_metric"), METRICS, "induction"),
    brush: Array.isArray(brush) && brush.length === 4 ? (brush as number[]) : [],
    table: model.get("view") === "table",
  };
}

/** The nearest lens that a reading has: without a next token there is no loss, but predictions change. */
function lensOf(wanted: Lens, { ablation, loss }: Reading): Lens {
  if (wanted !== "loss" && wanted !== "divergence") return wanted;
  if (!ablation.length) return "pattern";
  return loss === null ? "divergence" : wanted;
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

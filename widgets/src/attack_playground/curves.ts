// What was measured on all held-out sentences, with 95 % intervals over chapters.
import type { Order } from "./race";
import type { Strings } from "./strings/index";

/** A value with its interval. */
export type Estimate = readonly [value: number, low: number, high: number];

/** Attacks of the curves: greedy search by importance, in a random order, and random texts. */
export const NAMES = ["greedy", "shuffled", "random"] as const;
export type Name = (typeof NAMES)[number];

export interface Curves {
  /** By attack, the accuracy that is left after 0, 1, … queries. */
  left: Record<Name, number[]>;
  /** What random texts leave minus what greedy search leaves. */
  difference: Record<"greedy" | "shuffled", Estimate[]>;
  /** What greedy search leaves in a random order minus what it leaves by importance, however many queries. */
  order: Estimate;
  /** Words that may change, what greedy search leaves by importance and in a random order, the difference. */
  few: [changes: number, greedy: number, shuffled: number, difference: Estimate][];
  /** Accuracy of the linear model when 0, 1, … words may change, whatever the attack. */
  certified: Estimate[];
  /** Attacks that keep the meaning, and how many were read, by table. */
  judged: Record<"strict" | "loose", [number, number]>;
  sentences: number;
  chapters: number;
  models: number;
}

export function readCurves(given: unknown, text: Strings): Curves {
  const curves = given as Curves | undefined;
  const missing = NAMES.filter((name) => !curves?.left?.[name]?.length);
  if (!curves || missing.length) throw new Error(text.bad.curves(missing.join(", ")));
  return curves;
}

/** What greedy search and random texts leave after so many queries, or at the curves' end. */
export function at(
  { left, difference }: Curves,
  queries: number,
  order: Order,
): { greedy: number; random: number; by: Estimate } {
  const name = order === "random" ? "shuffled" : "greedy";
  const place = Math.min(queries, left.random.length - 1);
  return { greedy: left[name][place], random: left.random[place], by: difference[name][place] };
}

/** Differences smaller than this are called so, whatever their interval. */
export const SMALL = 0.01;

/** Which attack has broken more: none where the interval includes zero, or the difference is small. */
export function ahead([value, low, high]: Estimate): "random" | "greedy" | "small" | "unclear" {
  if (Math.abs(value) < SMALL) return "small";
  if (high < 0) return "random";
  return low > 0 ? "greedy" : "unclear";
}

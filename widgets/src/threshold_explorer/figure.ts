// ThresholdExplorer as its panels know it, and how its numbers are written.
import type { Figure } from "../base/figure";
import { HIGHEST, LOWEST, NEVER, reaches, wilson, type Point } from "./decisions";
import { probability, type Data, type State } from "./state";
import type { Strings } from "./strings";

/** Logits of a step of the sliders: those of a byte. */
export const STEP = 1 / 16;

export type ThresholdFigure = Figure<Data, State, Strings>;

/** A share in whole percent, those that are not quite none or all with a digit more. */
export function percent(share: number): string {
  const value = 100 * share;
  const near = Math.min(value, 100 - value);
  return `${value.toFixed(near >= 0.05 && near < 1 ? 1 : 0)}%`;
}

/** A level as the probability that it is, so exact that a step of the slider shows; at the ends 0 and 1. */
export function shownLevel(level: number): string {
  if (level <= LOWEST) return "0";
  if (level >= HIGHEST) return "1";
  const share = probability(level);
  return share.toFixed(Math.ceil(Math.log10(1 / (STEP * share * (1 - share)))));
}

/** A count with its share and interval. */
export function interval(hits: number, of: number): string {
  const found = wilson(hits, of);
  return found ? `${percent(hits / of)} [${found.map(percent).join(", ")}]` : "–";
}

/** Set the common threshold by its logit. */
export function setLevel(figure: ThresholdFigure, level: number): void {
  const within = Math.min(HIGHEST, Math.max(LOWEST, level));
  figure.set({ threshold: probability(within) });
}

/** The threshold of a label as a logit; null where it never blocks. */
export function labelLevel({ level, shifts }: State, label: number): number | null {
  return shifts[label] >= NEVER ? null : Math.min(HIGHEST, Math.max(LOWEST, level + shifts[label]));
}

/** Which of the points a level gives. */
export function placeOf(points: readonly Point[], level: number): number {
  let place = 0;
  while (place + 1 < points.length && reaches(points[place + 1].level, level)) place++;
  return place;
}

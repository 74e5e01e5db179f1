// AttentionPatternAnalyzer as its panels know it, and what several of them need.
import type { Figure } from "../base/figure";
import { largest } from "../reader/arithmetic";
import { matrixOf } from "./matrices";
import type { Reading } from "./reading";
import type { State } from "./state";
import type { AnalyzerStrings } from "./strings";

export type HeadsFigure = Figure<Reading[], State, AnalyzerStrings>;

/** A head by its place. */
export interface Place {
  layer: number;
  head: number;
}

/** Tokens that a sentence names. */
const NAMED = 4;

/** A reading's name in the figure's language. */
export function titleOf({ text, language }: HeadsFigure, { name, title }: Reading): string {
  return name === "typed" ? text.typedTitle : (title[language] ?? name);
}

/** Weights that have to do with the token under study: its row, or its column. */
export function columnOf({ reading, token, from }: State, matrix: ArrayLike<number>): Float64Array {
  const { length, size } = reading.weights;
  return from
    ? Float64Array.from({ length: size }, (_, s) => matrix[token * size + s])
    : Float64Array.from({ length }, (_, t) => matrix[t * size + Math.min(token, size - 1)]);
}

export function matrixShown(state: State, at: Place = state): ArrayLike<number> {
  return matrixOf(state.reading, at.layer, at.head, state.weighting, state.residual);
}

/** Where the token looks most, or who looks most at it, in a sentence. */
export function mostSaid(text: AnalyzerStrings, state: State): string {
  const { reading, token, from } = state;
  const values = columnOf(state, matrixShown(state));
  const [own, names] = from ? [reading.labels, reading.keyLabels] : [reading.keyLabels, reading.labels];
  const parts = largest(values, NAMED)
    .filter((at) => values[at] > 0.005)
    .map((at) => `${at} ${names[at]} ${values[at].toFixed(2)}`)
    .join(", ");
  return text.chosen(own[Math.min(token, own.length - 1)], token, parts, from);
}

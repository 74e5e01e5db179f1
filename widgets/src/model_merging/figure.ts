// ModelMerging as its panels know it, and what several of them need.
import type { Figure } from "../base/figure";
import { sum } from "./landscape";
import { baseScores, bestExpert, snapped, type Data, type State } from "./state";
import type { Strings } from "./strings";

export type MergingFigure = Figure<Data, State, Strings>;

/** Prompts of all tasks. */
export const asking = ({ asked }: Data): number => sum(asked);

/** A count as it is shown: whole where it was measured, rounded and marked where it is estimated. */
export function counted(figure: MergingFigure, count: number, exact: boolean): string {
  return exact ? String(Math.round(count)) : figure.text.about(Math.round(count));
}

/** A weight with two decimals and a true minus sign. */
export const shownWeight = (weight: number): string => weight.toFixed(2).replace("-", "\u2212");

/** Set the weights at some places. */
export function setWeights(figure: MergingFigure, changes: Record<number, number>): void {
  const weights = figure.state.how.weights.map((weight, i) =>
    i in changes ? Number(snapped(changes[i]).toFixed(2)) : weight,
  );
  figure.set({ weights });
}

/** What the headline says of a state, in numbers. */
export function found(
  state: State,
): { right: number; best: number; of: number; base: number; task: number } | null {
  if (!state.scores) return null;
  const { task, right } = bestExpert(state);
  return {
    task,
    right: Math.round(sum(state.scores.right)),
    best: right,
    base: sum(baseScores(state).right),
    of: asking(state.data),
  };
}

// MoERouting as its panels know it, and what several of them need.
import type { Figure } from "../base/figure";
import { h } from "../base/dom";
import { tokenPath, type TokenPath } from "./math";
import { scoresOf, type Data, type State } from "./state";
import type { Strings } from "./strings";

export type RoutingFigure = Figure<Data, State, Strings>;

export function badge(expert: number): HTMLElement {
  return h("span", { class: `fw-badge fw-hue-${expert % 8}` }, String(expert));
}

/** A group of tokens in the figure's language. */
export function groupName(figure: RoutingFigure, name: string): string {
  return figure.data.groupLabels[name]?.[figure.language] ?? name;
}

export interface Assignment {
  expert: number;
  weight: number;
  kept: boolean;
  slot: number;
}

/** Experts of a token, the first choice first. */
export function assignments({ routing }: State, token: number): Assignment[] {
  return Array.from({ length: routing.topK }, (_, rank) => {
    const at = token * routing.topK + rank;
    return {
      expert: routing.chosen[at],
      weight: routing.weights[at],
      kept: routing.kept[at] === 1,
      slot: routing.slots[at],
    };
  });
}

/** A token's experts in words: `E3 0.62, E5 0.38`, and after a dropped one what `dropped` says. */
export function saidAssignments(state: State, token: number, dropped: string): string {
  return assignments(state, token)
    .map(({ expert, weight, kept }) => `E${expert} ${weight.toFixed(2)}${kept ? "" : dropped}`)
    .join(", ");
}

/** Choose an expert, or let go of the one that is chosen. */
export function choose(figure: RoutingFigure, expert: number): void {
  figure.set({ selected_expert: figure.state.expert === expert ? -1 : expert });
}

/** The way of the token shown through all layers of the snapshot. */
export function pathOf({ data, snapshot, token, options }: State): TokenPath {
  return tokenPath(
    Array.from({ length: data.layers }, (_, layer) => scoresOf(data, snapshot, layer)),
    token,
    data.tokens.length,
    data.experts,
    options,
  );
}

/** Pixels across the drawings that have a column for each expert. */
export function drawingWidth(figure: RoutingFigure): number {
  return Math.max(figure.width || 640, 58 + 30 * figure.data.experts);
}

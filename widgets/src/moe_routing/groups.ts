// Tokens by their group: the passages that they come from.
import type { Data, State } from "./state";

export interface Segment {
  group: string;
  start: number;
  end: number;
}

/** Neighbouring tokens of one group. */
export function segments(data: Data): Segment[] {
  const list: Segment[] = [];
  data.tokens.forEach((_, i) => {
    const group = data.groups[i] ?? "";
    const last = list.at(-1);
    if (last && last.group === group) last.end = i + 1;
    else list.push({ group, start: i, end: i + 1 });
  });
  return list;
}

export interface Matrix {
  groups: string[];
  /** share[group][expert], rows sum to 1. */
  share: number[][];
}

/** Where each group's assignments go: all k choices, before capacity. */
export function specialisation(state: State): Matrix {
  const { routing, data } = state;
  const groups = [...new Set(data.groups)];
  const share = groups.map((group) => {
    const counts = new Array<number>(routing.experts).fill(0);
    data.groups.forEach((name, token) => {
      if (name !== group) return;
      for (let rank = 0; rank < routing.topK; rank++) counts[routing.chosen[token * routing.topK + rank]]++;
    });
    const total = counts.reduce((a, b) => a + b, 0) || 1;
    return counts.map((count) => count / total);
  });
  return { groups, share };
}

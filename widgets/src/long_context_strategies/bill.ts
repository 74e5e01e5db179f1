// What the state shown costs, at every length that is drawn.
import {
  cost,
  crossover,
  MACHINE,
  MODELS,
  recurrentCost,
  shared,
  type Cost,
  type Model,
  type Recurrent,
} from "./cost";
import { PATTERN, type Pattern } from "./masks";
import type { State } from "./state";

export const LENGTHS = Array.from({ length: 12 }, (_, i) => 512 << i);

export interface Bill {
  model: Model;
  now: Cost;
  causal: Cost;
  /** At every length of `LENGTHS`: with the pattern, and with causal attention. */
  rows: { n: number; chosen: Cost; causal: Cost; rival?: Recurrent }[];
  /** The model with a fixed state, at the length chosen, and from how many tokens on it keeps less. */
  rival?: Recurrent & { from: number | undefined };
}

/** The pattern with a window and a stride for contexts that are too long to draw. */
export const atFullSize = ({ pattern, wide }: State): Pattern => ({ ...pattern, window: wide, stride: wide });

const bills = new WeakMap<State, Bill>();

/** What the state shown costs; worked out once for each state. */
export function bill(state: State): Bill {
  const known = bills.get(state);
  if (known) return known;
  const own = MODELS[state.model];
  const model = state.sharing === "own" ? own : shared(own, state.sharing);
  const causal: Pattern = { ...PATTERN, kind: "causal" };
  const of = (pattern: Pattern, n: number): Cost => cost(model, pattern, n, state.bytesEach, MACHINE);
  const { rival } = state;
  const fixed = (n: number): Recurrent | undefined =>
    rival === "none" ? undefined : recurrentCost(model, rival, n, state.bytesEach, MACHINE);
  const beside = fixed(state.length);
  const found: Bill = {
    model,
    now: of(atFullSize(state), state.length),
    causal: of(causal, state.length),
    rows: LENGTHS.map((n) => ({
      n,
      chosen: of(atFullSize(state), n),
      causal: of(causal, n),
      rival: fixed(n),
    })),
    rival:
      beside && rival !== "none"
        ? { ...beside, from: crossover(model, atFullSize(state), rival) }
        : undefined,
  };
  bills.set(state, found);
  return found;
}

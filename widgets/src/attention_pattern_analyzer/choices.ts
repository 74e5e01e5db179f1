// What a reader can choose between; state, texts and drawings know the same names.
import { METRICS } from "./patterns";

export const WEIGHTINGS = ["raw", "value", "rollout"] as const;
export type Weighting = (typeof WEIGHTINGS)[number];
export const LENSES = ["pattern", ...METRICS, "loss", "divergence"] as const;
export type Lens = (typeof LENSES)[number];
export const REMOVALS = ["zero", "mean"] as const;
export type Removal = (typeof REMOVALS)[number];

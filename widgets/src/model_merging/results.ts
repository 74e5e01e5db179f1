// What was computed in the page so far, by figure: scores of merges, answers, and how the work stands.
import type { AnyModel } from "../base/afm";
import type { Scores } from "./landscape";
import type { Merge } from "./rules";
import type { Data } from "./state";

/** What each model says to a prompt; null where it is not known yet. */
export interface Answers {
  base: string | null;
  experts: (string | null)[];
  merged: string | null;
}

interface Results {
  /** By the key of a merge. */
  scores: Map<string, Scores>;
  /** By length of fine-tuning and prompt: of the base and of each expert. */
  others: Map<string, string[]>;
  /** By the key of a merge and prompt. */
  merged: Map<string, string>;
  /** For the reader; empty where nothing is to be said. */
  status: string;
}

/** Kept by model, because a new language builds the figure anew. */
const all = new WeakMap<AnyModel, Results>();

export function resultsOf(model: AnyModel): Results {
  let found = all.get(model);
  if (!found) {
    found = { scores: new Map(), others: new Map(), merged: new Map(), status: "" };
    all.set(model, found);
  }
  return found;
}

/** By which a merge is found again; what its rule does not look at is left out. */
export function keyOf({ weights, rule, density, seed, embedding, pair }: Merge, length: number): string {
  const own = {
    sum: [],
    average: [],
    ties: [density],
    dare: [density, seed],
    nuslerp: pair,
  }[rule];
  return [length, rule, embedding, ...weights.map((weight) => weight.toFixed(4)), ...own].join();
}

export const asked = (place: string | number, prompt: string): string => `${place}\n${prompt}`;

/** What is known of the answers to a prompt, the opening state's from the data set. */
export function answersOf(
  model: AnyModel,
  data: Data,
  key: string,
  length: number,
  prompt: string,
  opening: boolean,
): Answers {
  const { others, merged } = resultsOf(model);
  const published = length === 0 ? data.published[prompt] : undefined;
  const found = others.get(asked(length, prompt));
  return {
    base: found?.[0] ?? published?.base ?? null,
    experts: data.tasks.map((task, i) => found?.[i + 1] ?? published?.[task] ?? null),
    merged: merged.get(asked(key, prompt)) ?? (opening ? (published?.merged ?? null) : null),
  };
}

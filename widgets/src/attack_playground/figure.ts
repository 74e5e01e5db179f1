// AttackPlayground as its panels know it, and what several of them need.
import type { Figure } from "../base/figure";
import { className } from "../reader/class_names";
import { ahead, at, type Estimate } from "./curves";
import { classOf, textOf, type Swaps } from "./attack";
import { resultsOf } from "./results";
import { seen, type Data, type Seen, type State } from "./state";
import type { Strings } from "./strings/index";

export type PlaygroundFigure = Figure<Data, State, Strings>;

/** Colours of the attacks and of the bound; they mean nothing else. */
export const COLOURS = {
  greedy: "var(--fw-e0)",
  shuffled: "var(--fw-e4)",
  random: "var(--fw-e5)",
  bound: "var(--fw-e2)",
};

/** A number with a true minus sign. */
export const shown = (value: number, digits = 2): string =>
  value
    .toFixed(digits)
    .replace(/^(-?)0\./, "$1.")
    .replace("-", "\u2212");

/** The same with a sign in any case. */
export const signed = (value: number, digits = 3): string => (value < 0 ? "" : "+") + shown(value, digits);

export const range = ([, low, high]: Estimate): string => `[${shown(low, 3)}, ${shown(high, 3)}]`;

export const nameOf = ({ data, language }: PlaygroundFigure, label: number): string =>
  className(language, data.labels[label]);

/** The class of the verse with swaps, as it is shown; empty where it is not known. */
export function classAt(figure: PlaygroundFigure, { of }: State, swaps: Swaps): string {
  const answer = of && resultsOf(figure.model).known(textOf(of, { swaps }));
  return answer ? nameOf(figure, classOf(answer)) : "";
}

/** Both attacks after the queries that are shown; null while they run. */
export function bothSeen({ race, queries }: State): { greedy: Seen; random: Seen } | null {
  return (
    race && {
      greedy: seen(race.greedy, race.start, queries),
      random: seen(race.random, race.start, queries),
    }
  );
}

/** What holds for all sentences after so many queries, as a sentence. */
export function general(
  { text, data: { curves } }: PlaygroundFigure,
  { queries, order, other }: State,
): string {
  const { greedy, random, by } = at(curves, queries, order);
  if (!queries) return text.general.none(curves.sentences, curves.models, shown(greedy, 3));
  const asked = Math.min(queries, curves.left.random.length - 1);
  const name = order === "random" ? text.shuffled : text.greedy;
  return (
    text.general.all(curves.sentences, curves.models, asked, other) +
    text.general.left(name, shown(greedy, 3), shown(random, 3)) +
    text.general[ahead(by)](signed(by[0]), range(by))
  );
}

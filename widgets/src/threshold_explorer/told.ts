// What the story says of a state, in words that are computed from it.
import { verdictOf } from "./panels/costs";
import { groups, groupsFound } from "./panels/subgroups";
import { of as thousandOf } from "./panels/thousand";
import { ranked, ratesOf, type State } from "./state";
import type { Strings, Told } from "./strings";

/** Share of harmful sentences that "nine in ten" lets through. */
const TENTH = 0.1;

export function told(state: State, text: Strings): Told {
  const { harmful, missed, harmless, blocked } = ratesOf(state, state.part);
  const enough = ranked(state, state.part).points.find((point) => point.missed <= TENTH * harmful);
  const found = thousandOf(state);
  return {
    counts: text.counts(missed, harmful, blocked, harmless),
    nine: text.nineTenths(enough?.blocked ?? harmless, harmless),
    thousand: found ? text.thousand(found) : text.noHarmful,
    verdict: verdictOf(state, text),
    groups: groupsFound(groups(state, text), text),
  };
}

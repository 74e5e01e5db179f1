// Attacks that swap words of a text for synonyms, step by step those of `frontier_lab.methods.attacks`.
//
// An attack is a generator: it yields texts, as what is done to the words, is sent the class probabilities
// that the victim gives them, and returns what it found. It sees a victim's answers and nothing else.
// widgets/tests/golden/attacks.json holds the lab's searches, query by query.
import { chosen, whole } from "../base/draws";
import { largest } from "../reader/arithmetic";

/** From places of words to what stands there instead. */
export type Swaps = ReadonlyMap<number, string>;

/** A text that the victim is asked about: words swapped, and the one at a place left out. */
export interface Asked {
  swaps: Swaps;
  without?: number;
}

/** Texts that are asked about together, and the swaps that the attack has made by then. */
export interface Batch {
  asked: Asked[];
  made: Swaps;
}

/** What an attack found: the swaps that deceive, or the best it had; texts asked about up to there. */
export interface Found {
  swaps: Swaps;
  queries: number;
  succeeded: boolean;
}

/** Probabilities of the classes. */
export type Answer = ArrayLike<number>;
export type Search = Generator<Batch, Found, Answer[]>;

/** What an attacker may do with a text. */
export interface Moves {
  /** The text at its spaces, punctuation left on. */
  words: readonly string[];
  /** By place, in order, what may stand there instead, punctuation left on. */
  options: ReadonlyMap<number, readonly string[]>;
  /** Places that may change. */
  most: number;
}

/** Part of the words that may change where nothing else is said. */
export const SHARE = 0.3;

/** Words that may change of so many. */
export const mostOf = (words: number): number => Math.max(1, Math.floor(SHARE * words));

const WORD = /^([^\p{L}\p{N}_]*)([A-Za-z]+)([^\p{L}\p{N}_]*)$/u;

export const wordsOf = (text: string): string[] => text.split(/\s+/).filter(Boolean);

/** What may be done to a text: a word may change in lower case, or as the first; other capitals are names. */
export function moves(text: string, candidates: (word: string) => readonly string[]): Moves {
  const words = wordsOf(text);
  const options = new Map<number, readonly string[]>();
  words.forEach((word, at) => {
    const [, before, bare, after] = WORD.exec(word) ?? [];
    if (!bare || (bare !== bare.toLowerCase() && at > 0)) return;
    const upper = bare[0] !== bare[0].toLowerCase();
    const others = candidates(bare.toLowerCase());
    if (!others.length) return;
    const shaped = upper ? others.map((one) => one[0].toUpperCase() + one.slice(1).toLowerCase()) : others;
    options.set(
      at,
      shaped.map((other) => before + other + after),
    );
  });
  return { words, options, most: mostOf(words.length) };
}

/** The text with some words swapped, and without the word at one place. */
export const textOf = ({ words }: Moves, { swaps, without }: Asked): string =>
  words
    .map((word, at) => swaps.get(at) ?? word)
    .filter((_, at) => at !== without)
    .join(" ");

/** How many texts can be made, the text itself among them. */
export function sizeOf({ options, most }: Moves): number {
  const counts = [1, ...new Array<number>(most).fill(0)]; // texts by number of changed words
  for (const { length } of options.values())
    for (let changed = most; changed > 0; changed--) counts[changed] += counts[changed - 1] * length;
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The class of an answer. */
export const classOf = (answer: Answer): number => largest(answer, 1)[0];

/** How far the class is ahead of the next one; below zero it is another class that is read. */
export function lead(answer: Answer, label: number): number {
  let next = -Infinity;
  for (let i = 0; i < answer.length; i++) if (i !== label) next = Math.max(next, answer[i]);
  return answer[label] - next;
}

const NOTHING: Swaps = new Map();
const swapped = (swaps: Swaps, at: number, option: string): Swaps => new Map(swaps).set(at, option);

/**
 * The most important word first, each swapped for what lowers the label's probability most.
 *
 * @param chance - draws the order of the words; without it the one comes first whose deletion lowers the
 *   label's probability most, which takes a query for each.
 */
export function* greedy(of: Moves, label: number, chance?: () => number): Search {
  let places = [...of.options.keys()];
  if (!places.length) return { swaps: NOTHING, queries: 0, succeeded: false };
  const first: Asked[] = [{ swaps: NOTHING }];
  if (!chance) first.push(...places.map((without) => ({ swaps: NOTHING, without })));
  const answers = yield { asked: first, made: NOTHING };
  if (chance) places = chosen(chance, places, places.length);
  else {
    const left = answers.slice(1).map((answer) => -answer[label]);
    places = largest(left, left.length).map((at) => places[at]);
  }
  let queries = answers.length;
  let lowest = answers[0][label];
  let swaps = NOTHING;
  for (const at of places) {
    if (swaps.size === of.most) break;
    const tried = of.options.get(at)!.map((option) => swapped(swaps, at, option));
    const found = yield { asked: tried.map((one) => ({ swaps: one })), made: swaps };
    queries += tried.length;
    const wrong = found.map((answer) => classOf(answer) !== label);
    // Of swaps that deceive, the surest.
    const score = found.map((answer, i) => -(answer[label] - Number(wrong[i])));
    const [best] = largest(score, 1);
    if (wrong.includes(true)) return { swaps: tried[best], queries, succeeded: true };
    if (found[best][label] < lowest) {
      swaps = tried[best];
      lowest = found[best][label];
    }
  }
  return { swaps, queries, succeeded: false };
}

/** Swaps drawn at random, of one word to all that may change. */
export function atRandom({ options, most }: Moves, chance: () => number): Swaps {
  const number = whole(chance, 1, Math.min(most, options.size) + 1);
  const places = chosen(chance, [...options.keys()], number).sort((a, b) => a - b);
  return new Map(
    places.map((at) => {
      const own = options.get(at)!;
      return [at, own[whole(chance, 0, own.length)]];
    }),
  );
}

/** The attack that thinks nothing: texts drawn at random, no two the same, until one deceives. */
export function* randomSearch(of: Moves, label: number, queries: number, chance: () => number): Search {
  const drawn = new Map<string, Swaps>();
  if (of.options.size) {
    const wanted = Math.min(queries, sizeOf(of) - 1);
    for (let i = 0; i < 20 * wanted && drawn.size < wanted; i++) {
      const swaps = atRandom(of, chance);
      const text = textOf(of, { swaps });
      if (!drawn.has(text)) drawn.set(text, swaps);
    }
  }
  if (!drawn.size) return { swaps: NOTHING, queries: 0, succeeded: false };
  const tried = [...drawn.values()];
  const answers = yield { asked: tried.map((swaps) => ({ swaps })), made: NOTHING };
  const first = answers.findIndex((answer) => classOf(answer) !== label);
  return first < 0
    ? { swaps: NOTHING, queries: tried.length, succeeded: false }
    : { swaps: tried[first], queries: first + 1, succeeded: true };
}

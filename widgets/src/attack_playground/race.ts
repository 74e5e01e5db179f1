// Two attacks on one text with equal queries, query by query, and what is worth knowing of each word.
import { draws } from "../base/draws";
import {
  classOf,
  greedy,
  lead,
  randomSearch,
  textOf,
  type Answer,
  type Asked,
  type Found,
  type Moves,
  type Search,
  type Swaps,
} from "./attack";

/** Random texts that are drawn at least. */
export const LONG = 50;
/** Rows of a seed's draws: of the order of the words, and of the random texts. */
export const ROWS = { order: 0, texts: 1 };

/** In which order greedy search takes the words. */
export const ORDERS = ["deletion", "random"] as const;
export type Order = (typeof ORDERS)[number];

/** What the victim says of a text; undefined where it was not asked yet. */
export type Known = (text: string) => Answer | undefined;
/** Work that yields each text to which it has no answer, and goes on when there is one. */
export type Asking<Result> = Generator<string, Result>;

/** A query of an attack, and what the attack has in its hands after it. */
export interface Step {
  asked: Asked;
  /** How far the right class is ahead in the text that was asked about. */
  lead: number;
  /** The swaps that it has made, or of random texts the best so far, and how far the class is ahead there. */
  held: Swaps;
  ahead: number;
}

export interface Trace {
  /** Up to the query that decides; none of a text without words to swap. */
  steps: Step[];
  found: Found;
}

export interface Race {
  label: number;
  /** How far the right class is ahead in the text as it is. */
  start: number;
  greedy: Trace;
  random: Trace;
}

/** The same words where every one that has synonyms may change. */
export const everywhere = (of: Moves): Moves => ({ ...of, most: Math.max(1, of.options.size) });

function* answerTo(text: string, known: Known): Asking<Answer> {
  if (!known(text)) yield text;
  const found = known(text);
  if (!found) throw new Error(`no answer to “${text}”`);
  return found;
}

/** Follow a search to its end. */
function* follow(of: Moves, search: Search, label: number, known: Known): Asking<Trace> {
  const asked: { asked: Asked; lead: number }[] = [];
  /** What was made before each query. */
  const made: Swaps[] = [];
  let step = search.next();
  while (!step.done) {
    const answers: Answer[] = [];
    for (const one of step.value.asked) {
      const answer = yield* answerTo(textOf(of, one), known);
      answers.push(answer);
      asked.push({ asked: one, lead: lead(answer, label) });
      made.push(step.value.made);
    }
    step = search.next(answers);
  }
  const found = step.value;
  const steps: Step[] = [];
  for (const [i, one] of asked.slice(0, found.queries).entries()) {
    const held = i + 1 < found.queries ? made[i + 1] : found.swaps;
    const answer = yield* answerTo(textOf(of, { swaps: held }), known);
    steps.push({ ...one, held, ahead: lead(answer, label) });
  }
  return { steps, found };
}

/** Random texts keep nothing; what is shown as theirs is the best so far. */
function best({ steps, found }: Trace, start: number): Trace {
  let [held, ahead]: [Swaps, number] = [new Map(), start];
  const kept = steps.map((step) => {
    if (step.lead < ahead) [held, ahead] = [step.asked.swaps, step.lead];
    return { ...step, held, ahead };
  });
  return { steps: kept, found };
}

/** Both attacks on a text, random texts with as many queries as greedy search, `LONG` at least. */
export function* race(of: Moves, order: Order, seed: number, known: Known): Asking<Race> {
  const own = yield* answerTo(textOf(of, { swaps: new Map() }), known);
  const label = classOf(own);
  const start = lead(own, label);
  const chance = order === "random" ? draws(seed, ROWS.order) : undefined;
  const first = yield* follow(of, greedy(of, label, chance), label, known);
  const queries = Math.max(LONG, first.found.queries);
  const search = randomSearch(of, label, queries, draws(seed, ROWS.texts));
  const second = best(yield* follow(of, search, label, known), start);
  return { label, start, greedy: first, random: second };
}

/** What is worth knowing of a word. */
export interface Word {
  /** How much the right class's probability falls when the word is deleted. */
  importance: number;
  /** How much it falls by the swap of this word alone that lowers it most; null without synonyms. */
  swap: number | null;
  /** That swap. */
  option: string;
}

/** Importance by deletion of every word, and the best swap of each that may change. */
export function* words(of: Moves, known: Known): Asking<Word[]> {
  const own = yield* answerTo(textOf(of, { swaps: new Map() }), known);
  const label = classOf(own);
  const found: Word[] = [];
  for (const at of of.words.keys()) {
    const answer = yield* answerTo(textOf(of, { swaps: new Map(), without: at }), known);
    found.push({ importance: own[label] - answer[label], swap: null, option: "" });
  }
  for (const [at, options] of of.options) {
    for (const option of options) {
      const answer = yield* answerTo(textOf(of, { swaps: new Map([[at, option]]) }), known);
      const swap = own[label] - answer[label];
      if (found[at].swap === null || swap > found[at].swap) found[at] = { ...found[at], swap, option };
    }
  }
  return found;
}

/** All that the page asks of a text, in the order in which published answers are stored. */
export function* everything(of: Moves, order: Order, seed: number, known: Known): Asking<[Word[], Race]> {
  const found = yield* words(of, known);
  return [found, yield* race(of, order, seed, known)];
}

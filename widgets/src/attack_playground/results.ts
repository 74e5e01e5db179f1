// What is known by model of texts, attacks and bounds: from the page's data, or computed here. A new language
// builds the figure anew, and keeps this.
import type { AnyModel } from "../base/afm";
import { fromBase64 } from "../base/bytes";
import { mostOf, type Answer, type Moves } from "./attack";
import { boundOf, type Bound } from "./linear";
import { everything, race, type Asking, type Known, type Order, type Race, type Word } from "./race";
import type { Data, Example } from "./state";
import type { Tables } from "./vocabulary";

/** A probability of 1, as it is stored. */
const LEVELS = 65535;
/** Answers that are kept; a reader who types asks about many texts. */
const MOST = 20_000;

interface Found {
  words: Word[];
  race: Race;
}

/** Work that needs no answer that is not there; null where it would. */
export function atOnce<Result>(work: Asking<Result>): Result | null {
  const step = work.next();
  return step.done ? step.value : null;
}

export class Results {
  tables: Tables | null = null;
  status = "";
  /** By verse that is too long for the classifier, the tokens that it reads. */
  readonly cut = new Map<string, number>();
  readonly #answers = new Map<string, Answer>();
  readonly #races = new Map<string, Found>();
  readonly #bounds = new Map<string, Bound>();
  readonly #tried = new Map<string, Set<string>>();
  readonly #taken = new Set<string>();

  /** What the classifier says of a text, if it was asked. */
  readonly known: Known = (text) => this.#answers.get(text);

  learn(text: string, answer: Answer): void {
    if (this.#answers.size > MOST) {
      this.#answers.clear();
      this.#races.clear();
      this.#taken.clear();
    }
    this.#answers.set(text, answer);
  }

  /** Take the answers that come with a verse: they stand in the order in which the attacks ask for them. */
  take({ text, options, answers }: Example, { labels }: Data): void {
    if (this.#taken.has(text)) return;
    this.#taken.add(text);
    const bytes = fromBase64(answers);
    const count = labels.length;
    let row = 0;
    const words = text.split(" ");
    const of: Moves = { words, options, most: Math.min(mostOf(words.length), Math.max(1, options.size)) };
    for (const work of [everything(of, "deletion", 0, this.known), race(of, "random", 0, this.known)]) {
      let step = work.next();
      while (!step.done && 2 * count * (row + 1) <= bytes.byteLength) {
        const start = 2 * count * row++;
        const answer = Float64Array.from(
          { length: count },
          (_, c) => bytes.getUint16(start + 2 * c, true) / LEVELS,
        );
        this.#answers.set(step.value, answer);
        step = work.next();
      }
    }
  }

  /** Both attacks and the words, if all of their answers are known. */
  race(key: string, of: Moves, order: Order, seed: number): Found | null {
    const kept = this.#races.get(key);
    if (kept) return kept;
    const found = atOnce(everything(of, order, seed, this.known));
    if (!found) return null;
    const [words, raced] = found;
    this.#races.set(key, { words, race: raced });
    return { words, race: raced };
  }

  /** The linear model's bound, once its weights are there. */
  bound(key: string, of: Moves): Bound | null {
    const kept = this.#bounds.get(key);
    if (kept || !this.tables) return kept ?? null;
    const found = boundOf(of, this.tables.linear);
    this.#bounds.set(key, found);
    return found;
  }

  /** Texts of a verse that the reader has asked about, with this one; an empty one is none. */
  tried(verse: string, text: string): number {
    const texts = this.#tried.get(verse) ?? new Set();
    this.#tried.set(verse, texts);
    if (text) texts.add(text);
    return texts.size;
  }
}

const results = new WeakMap<AnyModel, Results>();

export function resultsOf(model: AnyModel): Results {
  const found = results.get(model) ?? new Results();
  results.set(model, found);
  return found;
}

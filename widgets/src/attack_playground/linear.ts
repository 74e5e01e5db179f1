// A linear classifier whose logits are sums over words, and the worst that any attack can do to it: the twin
// of `frontier_lab.methods.bag_of_words` and of `attacks.worst_case`.
import { largest, softmax } from "../reader/arithmetic";
import { greedy, lead, textOf, type Moves, type Swaps } from "./attack";

export interface BagOfWords {
  /** By word, what one occurrence adds to the logits, [C]. */
  weights: ReadonlyMap<string, ArrayLike<number>>;
  /** Logits of no words, [C]. */
  bias: ArrayLike<number>;
}

/** What the words of a text add to the logits, [C]; unknown words add nothing. */
export function contribution({ weights, bias }: BagOfWords, text: string): Float64Array {
  const found = new Float64Array(bias.length);
  for (const [word] of text.toLowerCase().matchAll(/[a-z]+(?:'[a-z]+)?/g)) {
    const own = weights.get(word);
    if (own) for (let c = 0; c < found.length; c++) found[c] += own[c];
  }
  return found;
}

/** Scores of the classes before softmax, [C]. */
export function logits(model: BagOfWords, text: string): Float64Array {
  return contribution(model, text).map((value, c) => value + model.bias[c]);
}

/** The least that any attack can leave: logit of the label over the highest other one, and how. */
export interface Worst {
  margin: number;
  swaps: Swaps;
}

/**
 * For each number of changed words from 0 to `of.most`, the least margin; above zero it is a certificate.
 *
 * Against one other class each place has a swap that helps this class most, whatever stands elsewhere, so the
 * worst of k changes are the k places with the most to gain; then the worst of the classes.
 */
export function worstCase(of: Moves, label: number, model: BagOfWords): Worst[] {
  const own = of.words.map((word) => contribution(model, word));
  const start = Float64Array.from(model.bias, (bias, c) => own.reduce((sum, one) => sum + one[c], bias));
  const gains = [...of.options].map(([at, options]) => ({
    at,
    options,
    gain: options.map((option) => contribution(model, option).map((value, c) => value - own[at][c])),
  }));
  const found = Array.from({ length: of.most + 1 }, (): Worst => ({ margin: Infinity, swaps: new Map() }));
  for (let other = 0; other < start.length; other++) {
    if (other === label) continue;
    const best = gains.map(({ at, options, gain }) => {
      const toward = gain.map((one) => one[other] - one[label]);
      const most = Math.max(...toward);
      return { at, most, option: options[toward.indexOf(most)] };
    });
    best.sort((a, b) => b.most - a.most || a.at - b.at);
    let margin = start[label] - start[other];
    let swaps: Swaps = new Map();
    for (let changed = 0; changed <= of.most; changed++) {
      const next = changed ? best[changed - 1] : undefined;
      if (next && next.most > 0) {
        margin -= next.most;
        swaps = new Map(swaps).set(next.at, next.option);
      }
      if (margin < found[changed].margin) found[changed] = { margin, swaps };
    }
  }
  return found;
}

/** What greedy search leaves when so many words may change: the margin of the text that it ends with. */
export function greedyMargin(of: Moves, label: number, model: BagOfWords): number {
  const search = greedy(of, label);
  let next = search.next();
  while (!next.done)
    next = search.next(next.value.asked.map((asked) => softmax(logits(model, textOf(of, asked)))));
  return lead(logits(model, textOf(of, { swaps: next.value.swaps })), label);
}

/** What attacks can do to the linear model, by number of words that may change from 0 on. */
export interface Bound {
  /** The class that it gives the text. */
  label: number;
  worst: Worst[];
  /** What greedy search leaves. */
  greedy: number[];
}

/** The bound of a text wherever a word has synonyms. */
export function boundOf(of: Moves, model: BagOfWords): Bound {
  const own = logits(model, of.words.join(" "));
  const [label] = largest(own, 1);
  const worst = worstCase({ ...of, most: Math.max(1, of.options.size) }, label, model);
  const left = worst.map(({ margin }, most) => (most ? greedyMargin({ ...of, most }, label, model) : margin));
  return { label, worst, greedy: left };
}

/** The fewest changes that deceive; 0 if none do: a certificate. */
export const fewest = ({ worst }: Bound): number =>
  Math.max(
    0,
    worst.findIndex(({ margin }) => margin <= 0),
  );

/** The fewest with which greedy search succeeds; 0 if it never does. */
export const fewestGreedy = ({ greedy: left }: Bound): number =>
  Math.max(
    0,
    left.findIndex((margin) => margin <= 0),
  );

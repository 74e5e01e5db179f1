// The attacks in the page are the lab's, query by query, and so is the bound of the linear model.
import { describe, expect, it } from "vitest";
import bertConfig from "../../../src/frontier_lab/checkpoints/classifiers/bert/config.json";
import bertTokenizer from "../../../src/frontier_lab/checkpoints/classifiers/bert/tokenizer.json";
import {
  greedy,
  lead,
  mostOf,
  moves,
  randomSearch,
  sizeOf,
  textOf,
  type Answer,
  type Moves,
  type Search,
  type Swaps,
} from "../../src/attack_playground/attack";
import { contribution, greedyMargin, logits, worstCase } from "../../src/attack_playground/linear";
import { everywhere, LONG, ROWS } from "../../src/attack_playground/race";
import { chosen, draws, whole } from "../../src/base/draws";
import { largest, softmax } from "../../src/reader/arithmetic";
import { close } from "../close";
import golden from "../golden/attacks.json";
import { bert, tables } from "./files";

interface Followed {
  asked: number[][];
  swaps: Record<string, string>;
  queries: number;
  succeeded: boolean;
}
interface Case {
  text: string;
  rare: boolean;
  seed: number;
  most: number;
  limited: boolean;
  size: number;
  options: Record<string, string[]>;
  answer: number[];
  logits: number[];
  attacks: Record<"greedy" | "shuffled" | "random", Followed>;
  linear: Followed;
  margins: number[];
  worst: Record<string, string>[];
}
const CASES = golden.cases as unknown as Case[];

function checksum(texts: string[]): number {
  let found = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(texts.join("\n")))
    found = Math.imul(found ^ byte, 0x01000193) >>> 0;
  return found;
}

const plain = (swaps: Swaps): Record<string, string> =>
  Object.fromEntries([...swaps].map(([at, word]) => [String(at), word]));

/** What an attack asks, batch by batch, and what it finds. */
function followed(of: Moves, search: Search, score: (text: string) => Answer): Followed {
  const asked: number[][] = [];
  let step = search.next();
  while (!step.done) {
    const texts = step.value.asked.map((one) => textOf(of, one));
    asked.push([texts.length, checksum(texts)]);
    step = search.next(texts.map(score));
  }
  return { ...step.value, asked, swaps: plain(step.value.swaps) };
}

describe("attacks of the page, against the lab's on the committed classifier", () => {
  const victim = bert();
  const { linear, candidates } = tables();
  const known = new Map<string, Float64Array>();
  const score = (text: string): Float64Array => {
    const found = known.get(text) ?? victim.probabilities(text);
    known.set(text, found);
    return found;
  };
  const ofLinear = (text: string): Float64Array => softmax(logits(linear, text));
  const class_ = (answer: ArrayLike<number>): number => largest(answer, 1)[0];

  it("has the same classifier", () => {
    expect(victim.labels).toEqual(Object.values(bertConfig.id2label));
    expect(bertTokenizer.model.type).toBe("WordPiece");
  });

  it.each(CASES)("$text", (one) => {
    const of = { ...moves(one.text, (word) => candidates(word, one.rare ? "any" : "common")) };
    expect(Object.fromEntries([...of.options].map(([at, options]) => [String(at), options]))).toEqual(
      one.options,
    );
    if (!one.limited) expect(mostOf(of.words.length)).toBe(one.most);
    of.most = one.most;
    expect(sizeOf(of)).toBe(one.size);
    const [answer, own] = [score(one.text), logits(linear, one.text)];
    close(answer, one.answer, "answer");
    close(own, one.logits, "logits");
    const label = class_(answer);
    const chance = (row: number): (() => number) => draws(one.seed, row);
    const found = {
      greedy: followed(of, greedy(of, label), score),
      shuffled: followed(of, greedy(of, label, chance(ROWS.order)), score),
      random: followed(of, randomSearch(of, label, LONG, chance(ROWS.texts)), score),
    };
    expect(found).toEqual(one.attacks);
    expect(followed(of, greedy(of, class_(own)), ofLinear)).toEqual(one.linear);
    const worst = worstCase(everywhere(of), class_(own), linear);
    close(
      worst.map(({ margin }) => margin),
      one.margins,
      "margins",
    );
    expect(worst.map(({ swaps }) => plain(swaps))).toEqual(one.worst);
  });

  it("attacks enough, with success and without, that a wrong turn would be seen", () => {
    for (const kind of ["greedy", "shuffled", "random"] as const) {
      const outcomes = CASES.map((one) => one.attacks[kind].succeeded);
      expect(outcomes.filter(Boolean).length).toBeGreaterThan(8);
      expect(outcomes.filter((succeeded) => !succeeded).length).toBeGreaterThan(8);
    }
    expect(Math.max(...CASES.map((one) => Object.keys(one.attacks.greedy.swaps).length))).toBeGreaterThan(3);
  });
});

describe("the linear model's bound", () => {
  const { linear, candidates } = tables();

  it("is reached by no text that can be made, and is reached by one", () => {
    const verse = "Give instruction to a wise man, and he will be yet wiser: he will increase in learning.";
    const of = moves(verse, (word) => candidates(word, "common"));
    expect(of.options.size).toBeGreaterThan(3);
    const label = largest(logits(linear, of.words.join(" ")), 1)[0];
    const bound = worstCase(everywhere(of), label, linear);
    let texts: { changed: number; margin: number }[] = [{ changed: 0, margin: 0 }];
    let all: Map<number, string>[] = [new Map()];
    for (const [at, options] of of.options)
      all = all.flatMap((swaps) => [swaps, ...options.map((option) => new Map(swaps).set(at, option))]);
    texts = all.map((swaps) => ({
      changed: swaps.size,
      margin: lead(logits(linear, textOf(of, { swaps })), label),
    }));
    bound.forEach(({ margin, swaps }, changes) => {
      const least = Math.min(...texts.filter(({ changed }) => changed <= changes).map((one) => one.margin));
      expect(margin).toBeCloseTo(least, 9);
      expect(lead(logits(linear, textOf(of, { swaps })), label)).toBeCloseTo(margin, 9);
      expect(swaps.size).toBeLessThanOrEqual(changes);
      if (changes)
        expect(greedyMargin({ ...of, most: changes }, label, linear)).toBeGreaterThan(margin - 1e-9);
    });
  });

  it("counts a word with its apostrophe, and no word that it does not know", () => {
    expect([...contribution(linear, "zebra! 7")]).toEqual([0, 0, 0, 0, 0, 0]);
    expect([...contribution(linear, "LORD lord")]).toEqual(
      [...contribution(linear, "Lord, the-lord")].map((value, c) => value - contribution(linear, "the")[c]),
    );
  });
});

it("takes, of the swaps of a word, one that deceives before one that only lowers the label more", () => {
  const of: Moves = { words: ["a", "b"], options: new Map([[1, ["x", "y", "z"]]]), most: 1 };
  const search = greedy(of, 0);
  expect(search.next().value).toMatchObject({ asked: [{}, { without: 1 }] });
  const own = [0.6, 0.2, 0.2];
  search.next([own, own]);
  const { value } = search.next([
    [0.34, 0.33, 0.33], // lowest, and read as before
    [0.42, 0.44, 0.14],
    [0.4, 0.45, 0.15],
  ]);
  expect(value).toEqual({ swaps: new Map([[1, "z"]]), queries: 5, succeeded: true });
});

it("draws as Python does", () => {
  const draw = draws(7, 3);
  expect(Array.from({ length: 8 }, () => whole(draw, 2, 9))).toEqual(golden.draws.integers);
  const ten = Array.from({ length: 10 }, (_, i) => i);
  expect(chosen(draw, ten, 10)).toEqual(golden.draws.permutation);
  expect(chosen(draw, ten, 4)).toEqual(golden.draws.choice);
});

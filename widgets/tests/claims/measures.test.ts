// What a page measures again, against Python's rule for needles and PyTorch's answers.
import { beforeAll, describe, expect, it } from "vitest";
import inductionWeights from "../../../src/frontier_lab/checkpoints/induction/model.safetensors?inline";
import llamaWeights from "../../../src/frontier_lab/checkpoints/llama/model.safetensors?inline";
import snapshotWeights from "../../../src/frontier_lab/checkpoints/mixtral/snapshots/unbalanced-40/model.safetensors?inline";
import inductionConfig from "../../../src/frontier_lab/checkpoints/induction/config.json";
import llamaConfig from "../../../src/frontier_lab/checkpoints/llama/config.json";
import mixtralConfig from "../../../src/frontier_lab/checkpoints/mixtral/snapshots/unbalanced-40/config.json";
import inductionTokenizer from "../../../src/frontier_lab/checkpoints/induction/tokenizer.json";
import llamaTokenizer from "../../../src/frontier_lab/checkpoints/llama/tokenizer.json";
import mixtralTokenizer from "../../../src/frontier_lab/checkpoints/mixtral/tokenizer.json";
import { fromBase64 } from "../../src/base/bytes";
import { draws } from "../../src/base/draws";
import { drawFrom, needle, type Draw, type Ledger } from "../../src/claims/measures/ledger";
import {
  copyLoss,
  expertsInUse,
  MEASURES,
  measure,
  positions,
  recalled,
  type Shelf,
} from "../../src/claims/measures/registry";
import words from "../../src/claims/measures.json";
import { meanOf, studentPoint } from "../../src/claims/statistics";
import { TinyModel, type Config } from "../../src/reader/model";
import type { TokenizerFile } from "../../src/reader/tokenizer";
import golden from "../golden/claims.json";

const bytes = (url: string): DataView => fromBase64(url.slice(url.indexOf(",") + 1));
const modelOf = (config: unknown, tokenizer: unknown, weights: string): TinyModel =>
  new TinyModel({
    config: config as Config,
    tokenizer: tokenizer as TokenizerFile,
    weights: bytes(weights),
  });

const packed = bytes(`,${golden.needles.ledger.text}`);
const LEDGER: Ledger = {
  ...golden.needles.ledger,
  text: Uint16Array.from({ length: packed.byteLength / 2 }, (_, i) => packed.getUint16(2 * i, true)),
};
const [LENGTH, DISTANCE] = [512, 480];

/** Gives recorded draws in their order. */
function replay(recorded: readonly (number | number[])[]): Draw & { left(): number } {
  let at = 0;
  return {
    integer: () => recorded[at++] as number,
    permutation: () => recorded[at++] as number[],
    left: () => recorded.length - at,
  };
}

describe("needles", () => {
  it("are Python's, draw for draw", () => {
    const draw = replay(golden.needles.draws);
    for (const wanted of golden.needles.needles)
      expect(needle(LEDGER, draw, LENGTH, DISTANCE)).toEqual(wanted);
    expect(draw.left()).toBe(0);
    const { distance, draws: recorded, needles } = golden.needles.other;
    const again = replay(recorded);
    expect(needles.map(() => needle(LEDGER, again, LENGTH, distance))).toEqual(needles);
  });

  it("state every row once, the one that is asked for at its distance", () => {
    const draw = drawFrom(draws(5, 0));
    const values = new Set(LEDGER.values.flat());
    const askedFor = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const ids = needle(LEDGER, draw, LENGTH, DISTANCE);
      expect(ids).toHaveLength(LENGTH);
      const places = ids.flatMap((id, at) => (values.has(id) ? [at] : []));
      expect(places).toHaveLength(LEDGER.labels.length + 1);
      expect(places[places.length - 1]).toBe(LENGTH - 1);
      expect(ids[LENGTH - 1 - DISTANCE]).toBe(ids[LENGTH - 1]);
      expect(ids[LENGTH - 2 - DISTANCE]).toBe(ids[LENGTH - 2]);
      askedFor.add(ids[LENGTH - 2]);
    }
    expect(askedFor.size).toBeGreaterThan(4);
  });
});

describe("models", () => {
  let llama: TinyModel;
  let induction: TinyModel;
  let mixtral: TinyModel;
  beforeAll(() => {
    llama = modelOf(llamaConfig, llamaTokenizer, llamaWeights);
    induction = modelOf(inductionConfig, inductionTokenizer, inductionWeights);
    mixtral = modelOf(mixtralConfig, mixtralTokenizer, snapshotWeights);
  });

  it.each([
    ["plain", {}],
    ["yarn_4", { method: "yarn", factor: 4 }],
    ["yarn_8", { method: "yarn", factor: 8 }],
  ] as const)("with positions of %s answer as PyTorch's", (name, change) => {
    const { largest, right } = golden.needles.answers[name];
    const rope = positions(llama, change);
    golden.needles.needles.forEach((ids, i) => {
      expect(Math.max(...llama.last(ids.slice(0, -1), rope)) / largest[i]).toBeCloseTo(1, 3);
      expect(recalled(llama, ids, rope)).toBe(right[i]);
    });
  });

  it("give after the last token what a whole reading gives", () => {
    const ids = golden.needles.needles[0].slice(0, 60);
    const { logits } = llama.forward(ids);
    const wanted = logits.subarray(logits.length - llama.config.vocab_size);
    expect([...llama.last(ids)]).toEqual([...wanted]);
  });

  it("read no more than their positions reach", () => {
    const ids = golden.needles.needles[0];
    expect(() => llama.last(ids)).toThrow("wanted 64 at most");
    expect(() => llama.last([...ids, 5], positions(llama, {}))).toThrow("wanted 512 at most");
  });

  it("use as many experts as PyTorch's", () => {
    golden.experts.ids.forEach((ids, text) => {
      for (let layer = 0; layer < mixtral.layers; layer++)
        expect(expertsInUse(mixtral, ids, layer)).toBeCloseTo(golden.experts.in_use[layer][text], 3);
    });
  });

  it("lose as PyTorch's without a head", () => {
    golden.copies.ids.forEach((ids, text) => {
      expect(copyLoss(induction, ids, 0, 0)).toBeCloseTo(golden.copies.losses["0.0"][text], 3);
      expect(copyLoss(induction, ids, 1, 1)).toBeCloseTo(golden.copies.losses["1.1"][text], 3);
    });
  });

  const shelf: Shelf = {
    model: async (name) => ({ llama, induction, "mixtral-unbalanced-40": mixtral })[name]!,
    ledger: async () => LEDGER,
    streams: async () => [LEDGER.text.map((id) => id % mixtral.config.vocab_size)],
  };
  /** The first numbers of a press. */
  const drawn = async (name: string, seed: number, count: number): Promise<number[]> => {
    const next = await MEASURES[name].prepare(drawFrom(draws(seed, 0)), shelf);
    return Array.from({ length: count }, next);
  };

  it("find on fresh inputs what the claims say", async () => {
    expect(meanOf(await drawn("focus-is-not-worth", 1, 6)).low).toBeGreaterThan(3);
    expect(meanOf(await drawn("positions-break-recall", 1, 4)).value).toBeGreaterThan(0.2);
    const recalls = await drawn("stretch-matters", 1, 2);
    expect(recalls.every((number) => [-1, 0, 1].includes(number))).toBe(true);
    const used = await drawn("few-experts-busy", 1, 3);
    expect(used.every((experts) => experts >= 1 && experts <= 8)).toBe(true);
  });

  it("draw by their seed, and tell how far they are until they are stopped", async () => {
    const once = await drawn("focus-is-not-worth", 1, 3);
    expect(await drawn("focus-is-not-worth", 1, 3)).toEqual(once);
    expect(await drawn("focus-is-not-worth", 2, 3)).not.toEqual(once);
    const told: number[] = [];
    const stop = measure("focus-is-not-worth", 1, shelf, (done, count) => {
      told.push(done, count);
      return done < 3 ? Promise.resolve() : Promise.reject(new Error("closed"));
    });
    await expect(stop).rejects.toThrow("closed");
    expect(told).toEqual([1, 24, 2, 24, 3, 24]);
  });
});

it("has words for what every measure draws afresh", () => {
  expect(Object.keys(words).sort()).toEqual(Object.keys(MEASURES).sort());
});

describe("estimates", () => {
  it("are those of the claims", () => {
    for (const { numbers, value, low, high } of golden.estimates) {
      const found = meanOf(numbers);
      expect(found.value).toBeCloseTo(value, 10);
      expect(found.low).toBeCloseTo(low, 4);
      expect(found.high).toBeCloseTo(high, 4);
    }
  });

  it("take Student's point", () => {
    // scipy.stats.t.ppf(0.975, n)
    for (const [freedom, point] of [
      [15, 2.1314495],
      [31, 2.0395134],
      [1000, 1.9623391],
    ])
      expect(Math.abs(studentPoint(freedom) - point)).toBeLessThan(5e-4);
  });
});

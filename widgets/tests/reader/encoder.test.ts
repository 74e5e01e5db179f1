// The classifiers in the page against PyTorch's numbers on awkward texts, and their tokenizers against the
// library's.
import { beforeAll, describe, expect, it } from "vitest";
import bertWeights from "../../../src/frontier_lab/checkpoints/classifiers/bert/model.safetensors?inline";
import distilbertWeights from "../../../src/frontier_lab/checkpoints/classifiers/distilbert/model.safetensors?inline";
import robertaWeights from "../../../src/frontier_lab/checkpoints/classifiers/roberta/model.safetensors?inline";
import bertConfig from "../../../src/frontier_lab/checkpoints/classifiers/bert/config.json";
import distilbertConfig from "../../../src/frontier_lab/checkpoints/classifiers/distilbert/config.json";
import robertaConfig from "../../../src/frontier_lab/checkpoints/classifiers/roberta/config.json";
import bertTokenizer from "../../../src/frontier_lab/checkpoints/classifiers/bert/tokenizer.json";
import distilbertTokenizer from "../../../src/frontier_lab/checkpoints/classifiers/distilbert/tokenizer.json";
import robertaTokenizer from "../../../src/frontier_lab/checkpoints/classifiers/roberta/tokenizer.json";
import { float32, fromBase64 } from "../../src/base/bytes";
import { erf, softmax } from "../../src/reader/arithmetic";
import { TinyEncoder, type EncoderCheckpoint } from "../../src/reader/encoder";
import type { EncoderConfig } from "../../src/reader/encoder_weights";
import {
  bertNormalise,
  bertWords,
  tokenizerOf,
  type EncoderTokenizerFile,
} from "../../src/reader/word_piece";
import golden from "../golden/tiny_encoder.json";

interface Golden {
  text: string;
  ids: number[];
  decoded: string;
  words?: string[];
  logits: string;
  head_off: { layer: number; head: number };
  logits_off: { zero: string; mean: string };
  norms?: string;
  attentions?: string;
}

const bytes = (url: string): DataView => fromBase64(url.slice(url.indexOf(",") + 1));
const checkpoint = (config: unknown, tokenizer: unknown, weights: string): EncoderCheckpoint => ({
  config: config as EncoderConfig,
  tokenizer: tokenizer as EncoderTokenizerFile,
  weights: bytes(weights),
});
const CHECKPOINTS: Record<string, EncoderCheckpoint> = {
  "classifier-bert": checkpoint(bertConfig, bertTokenizer, bertWeights),
  "classifier-roberta": checkpoint(robertaConfig, robertaTokenizer, robertaWeights),
  "classifier-distilbert": checkpoint(distilbertConfig, distilbertTokenizer, distilbertWeights),
};
const WANTED = golden.models as Record<string, { parameters: number; texts: Golden[] }>;
const BERT = CHECKPOINTS["classifier-bert"];
const HOW = bertTokenizer.normalizer;

/** Largest difference over the largest wanted value. */
function difference(found: ArrayLike<number>, packed: string): number {
  const wanted = float32(fromBase64(packed));
  expect(found.length).toBe(wanted.length);
  let most = 0;
  let scale = 0;
  for (let i = 0; i < wanted.length; i++) {
    most = Math.max(most, Math.abs(found[i] - wanted[i]));
    scale = Math.max(scale, Math.abs(wanted[i]));
  }
  return most / scale;
}

it("has every committed classifier", () => expect(Object.keys(WANTED)).toEqual(Object.keys(CHECKPOINTS)));

describe.each(Object.keys(CHECKPOINTS))("%s", (name) => {
  const { parameters, texts } = WANTED[name];
  let model: TinyEncoder;
  beforeAll(() => {
    model = new TinyEncoder(CHECKPOINTS[name]);
  });

  it("has every weight of the file, and the names of its classes", () => {
    expect(model.parameters).toBe(parameters);
    expect(model.labels).toEqual(["law", "history", "poetry", "prophets", "gospels", "letters"]);
  });

  it.each(texts.map((one) => one.text))("cuts %j into the library's tokens, and back", (text) => {
    const one = texts.find((each) => each.text === text)!;
    expect(model.encode(text)).toEqual(one.ids);
    expect(model.tokenizer.decode(one.ids)).toBe(one.decoded);
    if (one.words && !/[[<]/.test(text)) expect(bertWords(text, HOW)).toEqual(one.words);
  });

  it("equals PyTorch: scores, attention, lengths of values, a head switched off", () => {
    for (const one of texts) {
      const pass = model.forward(one.ids);
      expect(difference(pass.logits, one.logits)).toBeLessThan(1e-5);
      for (const kind of ["zero", "mean"] as const)
        expect(
          difference(model.forward(one.ids, { ...one.head_off, kind }).logits, one.logits_off[kind]),
        ).toBeLessThan(1e-5);
      if (one.attentions)
        expect(
          difference(
            pass.attentions.flatMap((p) => [...p]),
            one.attentions,
          ),
        ).toBeLessThan(1e-5);
      if (one.norms)
        expect(
          difference(
            model.valueNorms(pass).flatMap((lengths) => [...lengths]),
            one.norms,
          ),
        ).toBeLessThan(1e-5);
    }
    expect(texts.filter((one) => one.attentions && one.norms)).toHaveLength(3);
    const moved = texts.filter(
      (one) => difference(model.forward(one.ids).logits, one.logits_off.zero) > 1e-3,
    );
    expect(moved.length).toBeGreaterThan(texts.length / 2);
  });

  it("scores the classes alone as when all is read", () => {
    for (const { ids, text } of texts) {
      const whole = model.forward(ids).logits;
      expect([...model.classify(ids)]).toEqual([...whole]);
      expect([...model.probabilities(text)]).toEqual([...softmax(whole)]);
    }
  });

  it("looks both ways", () => {
    const { attentions, ids } = model.forward(model.encode("the lord is my shepherd"));
    const T = ids.length;
    for (const p of attentions) {
      for (let row = 0; row < p.length; row += T)
        expect(p.subarray(row, row + T).reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 5);
      expect(p[T - 1]).toBeGreaterThan(0); // the first token's attention to the last
    }
  });

  it("refuses too many tokens, none, and what is no token", () => {
    const { longest } = model;
    expect(longest).toBe(64);
    expect(model.forward(Array(longest).fill(5)).logits.every(Number.isFinite)).toBe(true);
    expect(() => model.forward(Array(longest + 1).fill(5))).toThrow("got 65 tokens, wanted 1 to 64");
    expect(() => model.forward([])).toThrow("got 0 tokens");
    expect(() => model.forward([5, model.config.vocab_size])).toThrow("wanted integers from 0");
  });
});

describe("a classifier that does not fit", () => {
  const changed = (config: Partial<EncoderConfig>) => () =>
    new TinyEncoder({ ...BERT, config: { ...BERT.config, ...config } });

  it.each([
    ["its kind", { model_type: "electra" }, "model_type is electra, wanted one of bert"],
    ["its activation", { hidden_act: "gelu_new" }, "wanted exact GELU and no decoder, got gelu_new"],
    ["being a decoder", { is_decoder: true }, "no decoder"],
    ["a missing size", { hidden_size: undefined }, "a size is missing"],
    ["the name of a tensor", { hidden_size: 32 }, "word_embeddings.weight is [1000,48], wanted [1000,32]"],
    [
      "a tensor that would stay unread",
      { num_hidden_layers: 1 },
      "config does not name bert.encoder.layer.1",
    ],
  ])("is refused by %s", (_, config, said) => expect(changed(config)).toThrow(said));

  it("is refused with another tokenizer", () => {
    const file = BERT.tokenizer;
    expect(() => tokenizerOf({ ...file, normalizer: null })).toThrow("got WordPiece with undefined and Bert");
    expect(() => tokenizerOf({ ...file, post_processor: null })).toThrow("got the frame undefined");
    expect(() => tokenizerOf({ ...file, model: { ...file.model, type: "Unigram" } as never })).toThrow(
      "got Unigram with [BertPreTokenizer]",
    );
  });
});

describe("BERT's normaliser", () => {
  it("knows the fate of every character as Python's does, but for what came after Unicode 8", () => {
    const runs = golden.characters as [number, string][];
    const newer: number[] = [];
    const other: number[] = [];
    runs.forEach(([start, fate], i) => {
      const end = runs[i + 1]?.[0] ?? 0x110000;
      // Of ideographs, private and unassigned planes every 97th will do, and the first and last hundred.
      for (let code = start; code < end; code += code - start < 100 || end - code <= 197 ? 1 : 97) {
        if (code >= 0xd800 && code < 0xe000) continue;
        const letter = String.fromCodePoint(code);
        const words = bertWords(`a${letter}b`, HOW);
        const found =
          words.length === 1
            ? words[0] === "ab"
              ? "dropped"
              : words[0] === `a${letter}b`
                ? "kept"
                : "changed"
            : words.length === 2
              ? "blank"
              : "apart";
        if (found !== fate) {
          newer.push(code);
          // To the older tables it is an ordinary character.
          if (fate !== "kept" && fate !== "changed") other.push(code);
        }
      }
    });
    const common = newer.filter(
      (code) => code < 0x600 || (code >= 0x2000 && code < 0x2e43) || (code >= 0x3000 && code < 0xa000),
    );
    expect(common).toEqual([]);
    expect(newer.filter((code) => code >= 0x1f000 && code < 0x1fb00)).toEqual([]); // emoji
    expect(newer.length).toBeLessThan(1000);
    // Four in Canadian syllabics, Hanunoo, Sharada and Ahom have changed their category since.
    expect([0x166d, 0x1734, 0x111c9, 0x1171e]).toEqual(expect.arrayContaining(other));
  });

  it("does what it is told, and no more", () => {
    const none = {
      type: "",
      clean_text: false,
      handle_chinese_chars: false,
      strip_accents: null,
      lowercase: false,
    };
    expect(bertNormalise("É\t书", none)).toBe("É\t书");
    expect(bertNormalise("É\t书", { ...none, lowercase: true })).toBe("e\t书");
    expect(bertNormalise("É\t书", { ...none, lowercase: true, strip_accents: false })).toBe("é\t书");
    expect(bertNormalise("É\t书", { ...none, strip_accents: true })).toBe("E\t书");
    expect(bertNormalise("É\t\u0007书", { ...none, clean_text: true })).toBe("É 书");
    expect(bertNormalise("É\t书", { ...none, handle_chinese_chars: true })).toBe("É\t 书 ");
  });

  it("leaves out half of a surrogate pair, which Python's strings cannot hold", () =>
    expect(bertWords("a\ud83db", HOW)).toEqual(["ab"]));
});

it.each([
  [0, 0],
  [0.5, 0.5204998778130465],
  [-1, -0.8427007929497149],
  [2.5, 0.999593047982555],
  [4, 0.9999999845827421],
  [-7, -1],
])("erf(%d) is %d", (x, wanted) => expect(Math.abs(erf(x) - wanted)).toBeLessThan(1e-15));

// The model in the page against PyTorch's numbers on twenty sentences, and its tokenizer against the
// library's.
import { beforeAll, describe, expect, it } from "vitest";
import inductionWeights from "../../../src/frontier_lab/checkpoints/induction/model.safetensors?inline";
import llamaWeights from "../../../src/frontier_lab/checkpoints/llama/model.safetensors?inline";
import mergingWeights from "../../../src/frontier_lab/checkpoints/merging/model.safetensors?inline";
import mixtralWeights from "../../../src/frontier_lab/checkpoints/mixtral/model.safetensors?inline";
import inductionConfig from "../../../src/frontier_lab/checkpoints/induction/config.json";
import llamaConfig from "../../../src/frontier_lab/checkpoints/llama/config.json";
import mergingConfig from "../../../src/frontier_lab/checkpoints/merging/config.json";
import mixtralConfig from "../../../src/frontier_lab/checkpoints/mixtral/config.json";
import inductionTokenizer from "../../../src/frontier_lab/checkpoints/induction/tokenizer.json";
import llamaTokenizer from "../../../src/frontier_lab/checkpoints/llama/tokenizer.json";
import mergingTokenizer from "../../../src/frontier_lab/checkpoints/merging/tokenizer.json";
import mixtralTokenizer from "../../../src/frontier_lab/checkpoints/mixtral/tokenizer.json";
import { float32, fromBase64 } from "../../src/base/bytes";
import { softmax } from "../../src/reader/arithmetic";
import { TinyModel, type Checkpoint, type Config, type Off } from "../../src/reader/model";
import { readTensors } from "../../src/reader/safetensors";
import { Tokenizer, type TokenizerFile } from "../../src/reader/tokenizer";
import golden from "../golden/tiny_model.json";

interface Golden {
  text: string;
  ids: number[];
  decoded: string;
  last_logits: string;
  log_sums: string;
  routers: string;
  attentions?: string;
  loss?: number;
  off?: Off;
  loss_off?: number;
  head_off?: { layer: number; head: number };
  losses_head_off?: number[];
  norms?: string;
}

const bytes = (url: string): DataView => fromBase64(url.slice(url.indexOf(",") + 1));
const CHECKPOINTS: Record<string, Checkpoint> = {
  mixtral: {
    config: mixtralConfig as Config,
    tokenizer: mixtralTokenizer as unknown as TokenizerFile,
    weights: bytes(mixtralWeights),
  },
  induction: {
    config: inductionConfig as Config,
    tokenizer: inductionTokenizer as unknown as TokenizerFile,
    weights: bytes(inductionWeights),
  },
  merging: {
    config: mergingConfig as unknown as Config,
    tokenizer: mergingTokenizer as unknown as TokenizerFile,
    weights: bytes(mergingWeights),
  },
  llama: {
    config: llamaConfig as Config,
    tokenizer: llamaTokenizer as unknown as TokenizerFile,
    weights: bytes(llamaWeights),
  },
};
const WANTED = golden as Record<string, { parameters: number; sentences: Golden[] }>;

/** Largest difference over the largest wanted value. */
function difference(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(found.length).toBe(wanted.length);
  let most = 0;
  let scale = 0;
  for (let i = 0; i < wanted.length; i++) {
    most = Math.max(most, Math.abs(found[i] - wanted[i]));
    scale = Math.max(scale, Math.abs(wanted[i]));
  }
  return most / scale;
}

describe.each(Object.keys(CHECKPOINTS))("%s", (name) => {
  const { parameters, sentences: cases } = WANTED[name];
  let model: TinyModel;
  beforeAll(() => {
    model = new TinyModel(CHECKPOINTS[name]);
  });

  it("has twenty sentences and every weight of the file", () => {
    expect(cases).toHaveLength(20);
    expect(model.parameters).toBe(parameters);
  });

  it.each(cases.map((one) => one.text))("cuts %j into the library's tokens, and back", (text) => {
    const one = cases.find((each) => each.text === text)!;
    expect(model.tokenizer.encode(text)).toEqual(one.ids);
    expect(model.tokenizer.decode(one.ids)).toBe(one.decoded);
  });

  it.each(cases.map((one) => one.text))("equals PyTorch on %j", (text) => {
    const one = cases.find((each) => each.text === text)!;
    const pass = model.forward(one.ids);
    const { logits, routers, attentions } = pass;
    const V = model.config.vocab_size;
    const T = one.ids.length;
    expect(difference(logits.subarray((T - 1) * V), float32(fromBase64(one.last_logits)))).toBeLessThan(1e-3);
    const logSums = one.ids.map((_, t) => {
      const row = logits.subarray(t * V, (t + 1) * V);
      const most = Math.max(...row);
      return most + Math.log(row.reduce((sum, z) => sum + Math.exp(z - most), 0));
    });
    expect(difference(logSums, float32(fromBase64(one.log_sums)))).toBeLessThan(1e-3);
    if (model.experts)
      expect(
        difference(
          routers.flatMap((scores) => [...scores]),
          float32(fromBase64(one.routers)),
        ),
      ).toBeLessThan(1e-3);
    else expect(routers).toEqual([]);
    if (one.attentions)
      expect(
        difference(
          attentions.flatMap((p) => [...p]),
          float32(fromBase64(one.attentions)),
        ),
      ).toBeLessThan(1e-3);
    if (one.norms)
      expect(
        difference(
          model.valueNorms(pass).flatMap((norms) => [...norms]),
          float32(fromBase64(one.norms)),
        ),
      ).toBeLessThan(1e-3);
  });

  it("has PyTorch's loss, and its loss with an expert switched off", () => {
    for (const { ids, loss, off, loss_off } of cases) {
      const whole = model.forward(ids);
      if (loss === undefined) expect(model.loss(whole)).toBeNaN();
      else expect(model.loss(whole)).toBeCloseTo(loss, 4);
      if (off) expect(model.loss(model.forward(ids, off))).toBeCloseTo(loss_off!, 4);
    }
    const apart = cases.filter(
      ({ loss, loss_off }) => loss_off !== undefined && Math.abs(loss_off - loss!) > 0.01,
    );
    expect(apart.length > 5).toBe(model.experts > 0);
  });

  it("has PyTorch's loss without a head", () => {
    for (const { ids, head_off, losses_head_off } of cases) {
      if (!head_off) continue;
      (["zero", "mean"] as const).forEach((kind, i) =>
        expect(model.loss(model.forward(ids, { ...head_off, kind }))).toBeCloseTo(losses_head_off![i], 4),
      );
    }
    expect(
      cases.filter(
        ({ head_off, losses_head_off, loss }) => head_off && Math.abs(losses_head_off![0] - loss!) > 0.01,
      ).length > 5,
    ).toBe(!model.experts);
  });

  it("generates what reading everything again would give", () => {
    const ids = cases[0].ids.slice(0, 40);
    const made = model.generate(ids, 12, { topK: 1 });
    expect(made).toHaveLength(12);
    const all = [...ids];
    for (const id of made) {
      const { logits } = model.forward(all);
      const last = logits.subarray(logits.length - model.config.vocab_size);
      last[model.tokenizer.end] = -Infinity;
      expect(id).toBe(last.indexOf(Math.max(...last)));
      all.push(id);
    }
  });

  it("draws by its seed", () => {
    const draw = (seed: number): number[] => model.generate(cases[0].ids.slice(0, 40), 20, { seed });
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it("stops at the longest length that it was trained for, and refuses what is no token", () => {
    const longest = model.config.max_position_embeddings;
    expect(model.generate(new Array<number>(longest - 3).fill(5), 50)).toHaveLength(3);
    expect(() => model.forward(new Array<number>(longest + 1).fill(5))).toThrow(`wanted ${longest} at most`);
    expect(() => model.forward([5, model.config.vocab_size])).toThrow("wanted integers from 0");
  });
});

describe("a checkpoint that does not fit", () => {
  const mixtral = CHECKPOINTS.mixtral;

  it("is refused by the name of the tensor", () => {
    expect(() => new TinyModel({ ...mixtral, config: { ...mixtral.config, hidden_size: 32 } })).toThrow(
      "model.embed_tokens.weight is [2048,64], wanted [2048,32]",
    );
  });
  it("is refused by its kind", () => {
    expect(() => new TinyModel({ ...mixtral, config: { ...mixtral.config, model_type: "bert" } })).toThrow(
      "wanted llama or mixtral",
    );
  });
  it("is refused where a tensor would stay unread", () => {
    expect(() => new TinyModel({ ...mixtral, config: { ...mixtral.config, num_hidden_layers: 3 } })).toThrow(
      "some of which config does not name",
    );
  });
  it("is refused with another tokenizer", () => {
    const words = { type: "Sequence", pretokenizers: [{ type: "Whitespace" }] };
    const split = { ...mixtral.tokenizer, pre_tokenizer: words };
    expect(() => new TinyModel({ ...mixtral, tokenizer: split })).toThrow("got BPE with [Whitespace");
    const unigram = { ...mixtral.tokenizer, model: { ...mixtral.tokenizer.model, type: "Unigram" } };
    expect(() => new TinyModel({ ...mixtral, tokenizer: unigram })).toThrow("tokenizer: got Unigram with");
  });
});

it("softmax survives large scores and sums to 1", () => {
  const p = softmax([1000, 1000, -1000], 0, 3);
  expect([...p]).toEqual([0.5, 0.5, 0]);
});

it("spells the tokens of a byte-level tokenizer as characters, and what is none as bytes", () => {
  const words = ["Ã©", "ĠÃ©a", "æ", "Ģæ", "Ċ", "Ġthe", "ä¹¦"];
  const { model, added_tokens, ...rest } = CHECKPOINTS.induction.tokenizer;
  const vocab = { ...model.vocab, ...Object.fromEntries(words.map((word, i) => [word, 257 + i])) };
  const { tokens } = new Tokenizer({ ...rest, added_tokens, model: { ...model, vocab } });
  expect(tokens.slice(257)).toEqual(["é", "Ġéa", "<0xE6>", "<0x80><0xE6>", "Ċ", "Ġthe", "书"]);
  expect(tokens.slice(0, 3)).toEqual(["<|endoftext|>", "!", '"']);
});

describe.each(Object.keys(CHECKPOINTS))("%s, read in part", (name) => {
  const model = new TinyModel(CHECKPOINTS[name]);
  const ids = [7, 3, 11, 5, 2, 9];
  const V = model.config.vocab_size;

  it("scores the tokens from a place on as when all are read", () => {
    const whole = model.forward(ids).logits;
    for (const from of [0, 2, 5]) expect([...model.tail(ids, from)]).toEqual([...whole.subarray(from * V)]);
    expect([...model.last(ids)]).toEqual([...model.tail(ids, 5)]);
  });

  it("goes on greedily with the likeliest token, and stops at the end of the text", () => {
    const found = model.greedy(ids, 5);
    const grown = [...ids];
    for (const id of found) {
      const last = model.last(grown);
      expect(id).toBe(last.indexOf(Math.max(...last)));
      grown.push(id);
    }
    expect(found).not.toContain(model.tokenizer.end);
    const { max_position_embeddings: room } = model.config;
    expect(model.greedy(Array(room).fill(3), 5)).toEqual([]);
  });

  it("computes with the weights that it is given, and with what is written into them", () => {
    const tensors = new Map(
      [...model.tensors].map(([key, { shape, values }]) => [key, { shape, values: values.slice() }]),
    );
    const twin = model.withWeights(tensors);
    expect([...twin.last(ids)]).toEqual([...model.last(ids)]);
    expect(twin.tokenizer).toBe(model.tokenizer);
    tensors.get("model.norm.weight")!.values.fill(0);
    expect(twin.last(ids).every((score) => score === 0)).toBe(true);
    expect(model.last(ids).some((score) => score !== 0)).toBe(true);
    tensors.delete("model.norm.weight");
    expect(() => model.withWeights(tensors)).toThrow("model.norm.weight is [missing]");
  });
});

describe("a safetensors file", () => {
  const file = (dtype: string, bytes: number[]): DataView => {
    const header = JSON.stringify({ a: { dtype, shape: [2], data_offsets: [0, bytes.length] } });
    const view = new DataView(new ArrayBuffer(8 + header.length + bytes.length));
    view.setBigUint64(0, BigInt(header.length), true);
    [...header].forEach((letter, i) => view.setUint8(8 + i, letter.charCodeAt(0)));
    bytes.forEach((byte, i) => view.setUint8(8 + header.length + i, byte));
    return view;
  };

  it.each([
    ["F16", [0x00, 0x3c, 0x00, 0xc0], [1, -2]],
    ["F32", [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0], [1, -2]],
    ["I8", [0x7f, 0xff], [127, -1]],
  ])("is read from %s", (dtype, bytes, values) =>
    expect([...readTensors(file(dtype, bytes)).get("a")!.values]).toEqual(values),
  );

  it("of another kind is refused", () =>
    expect(() => readTensors(file("BF16", [0, 0, 0, 0]))).toThrow("a is BF16, wanted F16, F32, I8"));
});

// Models merged as the page merges them, against PyTorch: weights, logits, answers and exact counts.
import { beforeAll, describe, expect, it } from "vitest";
import arithmetic320 from "../../../src/frontier_lab/checkpoints/merging/arithmetic-320/model.safetensors?inline";
import arithmetic80 from "../../../src/frontier_lab/checkpoints/merging/arithmetic/model.safetensors?inline";
import strings320 from "../../../src/frontier_lab/checkpoints/merging/strings-320/model.safetensors?inline";
import strings80 from "../../../src/frontier_lab/checkpoints/merging/strings/model.safetensors?inline";
import style320 from "../../../src/frontier_lab/checkpoints/merging/style-320/model.safetensors?inline";
import style80 from "../../../src/frontier_lab/checkpoints/merging/style/model.safetensors?inline";
import weights from "../../../src/frontier_lab/checkpoints/merging/model.safetensors?inline";
import config from "../../../src/frontier_lab/checkpoints/merging/config.json";
import tokenizer from "../../../src/frontier_lab/checkpoints/merging/tokenizer.json";
import data from "../../frontier_widgets/data/model_merging.json";
import { float32, fromBase64 } from "../../src/base/bytes";
import { inSlices } from "../../src/base/slices";
import { HostModel } from "../../src/host/models";
import type { Scores } from "../../src/model_merging/landscape";
import { Merger } from "../../src/model_merging/measure";
import { unpack, type Merge } from "../../src/model_merging/rules";
import { defaults, readData } from "../../src/model_merging/state";
import { STRINGS } from "../../src/model_merging/strings";
import { TinyModel, type Checkpoint } from "../../src/reader/model";
import { readTensors, type Tensors } from "../../src/reader/safetensors";
import golden from "../golden/merging_models.json";

const bytes = (url: string): DataView => fromBase64(url.slice(url.indexOf(",") + 1));
const TUNED: Record<number, string[]> = {
  80: [arithmetic80, strings80, style80],
  320: [arithmetic320, strings320, style320],
};

/** Packs as Python does: whole numbers of 1/127 of the largest entry of a row. */
function pack(base: Tensors, tuned: Tensors, task: string): Tensors {
  const found: Tensors = new Map();
  for (const [name, { shape, values }] of base) {
    const width = shape[shape.length - 1];
    const vector = values.map((value, i) => tuned.get(name)!.values[i] - value);
    const scales = new Float32Array(values.length / width);
    for (let row = 0; row < scales.length; row++)
      scales[row] = Math.max(...vector.subarray(row * width, (row + 1) * width).map(Math.abs)) / 127;
    const steps = vector.map((value, i) => {
      const step = Math.floor(value / (scales[Math.floor(i / width)] || 1) + 0.5);
      return Math.min(127, Math.max(-127, step));
    });
    found.set(`${task}.${name}`, { shape, values: steps });
    found.set(`${task}.${name}.scale`, { shape: [scales.length], values: scales });
  }
  return found;
}

let base: TinyModel;
let merger: Merger;
const files: Record<number, Tensors> = {};
const vectors: Record<number, Tensors[]> = {};
const model = new HostModel(defaults(data));
const published = readData(model, STRINGS.en);

beforeAll(() => {
  base = new TinyModel({ config, tokenizer, weights: bytes(weights) } as unknown as Checkpoint);
  merger = new Merger(base, published.prompts, published.texts, 3);
  for (const steps of published.trained) {
    const all = published.tasks.map((task, i) =>
      pack(base.tensors, readTensors(bytes(TUNED[steps][i])), task),
    );
    files[steps] = new Map(all.flatMap((file) => [...file]));
    vectors[steps] = unpack(files[steps], published.tasks);
  }
});

function run<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const piece = work.next();
    if (piece.done) return piece.value;
  }
}

const scored = (steps: number, how: Merge): Scores => {
  run(merger.merge(vectors[steps], how));
  return run(merger.scores());
};

const SUM = { rule: "sum", density: 1, seed: 0, pair: [0, 1] } as const;

it.each([80, 320])("vectors of %i steps are packed as Python packs them", (steps) => {
  let place = 0;
  let sum = 0;
  for (const task of published.tasks)
    for (const name of [...base.tensors.keys()].sort())
      for (const step of files[steps].get(`${task}.${name}`)!.values) sum += step * ((place++ % 251) + 1);
  expect(sum).toBe(golden.checksums[String(steps) as "80"]);
});

describe.each(golden.cases.map((one) => ({ ...one, title: `${one.how.rule}, ${one.steps} steps` })))(
  "$title",
  ({ steps, how, right, text, answers, logits }) => {
    it("answers the prompts that PyTorch's model answers, and says the same", () => {
      const found = scored(steps, how as unknown as Merge);
      expect(found.right).toEqual(right);
      expect(Math.abs(1000 * found.text - text)).toBeLessThanOrEqual(1);
      expect(golden.prompts.map((prompt) => merger.answer(prompt))).toEqual(answers);
      golden.prompts.forEach((prompt, i) => {
        const wanted = float32(fromBase64(logits[i]));
        const got = merger.logits(base.tokenizer.encode(prompt));
        const scale = Math.max(...wanted.map(Math.abs));
        expect(Math.max(...got.map((value, at) => Math.abs(value - wanted[at]))) / scale).toBeLessThan(1e-4);
      });
    });
  },
);

it.each([
  [80, true, [4, 4, 4]],
  [320, true, [5, 5, 5]],
  [320, false, [5, 5, 5]],
  [80, true, [2, 0, 7]],
] as const)(
  "the grid of %i steps has what the model scores at its nodes (%s, %s)",
  (steps, embedding, at) => {
    const { landscape, trained } = published;
    const found = scored(steps, { ...SUM, embedding, weights: at.map((i) => landscape.axis[i]) });
    const node = landscape.node(trained.indexOf(steps), embedding, at);
    expect(found.right).toEqual(node.right);
    expect(Math.abs(found.text - node.text)).toBeLessThan(1.5e-3);
  },
);

it("the opening's answers are those of the models in the page", () => {
  for (const [prompt, said] of Object.entries(published.published)) {
    expect(merger.answer(prompt, true)).toBe(said.base);
    run(merger.merge(vectors[80], { ...SUM, embedding: true, weights: [0.75, 0.75, 0.75] }));
    expect(merger.answer(prompt)).toBe(said.merged);
  }
});

it("works in slices, and a move in between ends it", async () => {
  const stop = new AbortController();
  let slices = 0;
  const now = (): number => slices++ * 7;
  const work = inSlices(merger.scores(), stop.signal, now);
  stop.abort();
  expect(await work).toBeNull();
  expect(await inSlices(merger.scores(), new AbortController().signal)).not.toBeNull();
});

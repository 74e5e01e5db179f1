// A classifier that reads both ways, in the figure of attention.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import bertConfig from "../../../src/frontier_lab/checkpoints/classifiers/bert/config.json";
import { readData } from "../../src/attention_pattern_analyzer/reading";
import { STRINGS } from "../../src/attention_pattern_analyzer/strings";
import { settle } from "../jsdom";
import { inPage, leave, mount, prepare, type, value } from "./page";

beforeAll(prepare);
beforeEach(() => document.documentElement.setAttribute("lang", "en"));
afterEach(leave);

describe("a classifier that reads both ways", () => {
  const WORDS = ["[CLS]", "w", "##o", "##e", "unto", "them", "that", "go", "down", "[SEP]"];
  const heat = (el: HTMLElement): string => el.querySelector(".fw-heat")!.getAttribute("aria-label")!;
  const classes = (el: HTMLElement, place: string): [string, number][] =>
    [...el.querySelectorAll(`${place} .fw-next li`)].map((line) => [
      line.querySelector(".fw-token")!.textContent!,
      Number(line.querySelector("data")!.value),
    ]);

  it("is typed to as a causal model is, and gives the sentence a class and no next token", async () => {
    inPage();
    const { el, model } = mount({ live: "classifier-bert", lens: "loss" });
    expect([...el.querySelectorAll("button")].map((button) => button.textContent)).not.toContain(
      "Continue by 50 tokens",
    );
    const own = model.get("examples");
    await type(el, "Woe unto them that GO down", WORDS.length);
    const [reading] = readData(model, STRINGS.en);
    expect(reading.tokens).toEqual(WORDS);
    expect([reading.causal, reading.loss]).toEqual([false, null]);
    const matrix = reading.weights.matrix(1, 2);
    for (let t = 0; t < WORDS.length; t++) {
      const row = matrix.subarray(t * WORDS.length, (t + 1) * WORDS.length);
      expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 1);
    }
    expect(matrix.subarray(1, WORDS.length).some((weight) => weight > 0.01)).toBe(true); // looks ahead
    expect(heat(el)).toContain("10 rows");
    expect(el.querySelectorAll(".fw-head")).toHaveLength(8);
    const found = classes(el, ".fw-sentence");
    expect(found.map(([name]) => name)).toEqual(Object.values(bertConfig.id2label));
    expect(found.reduce((sum, [, p]) => sum + p, 0)).toBeCloseTo(1, 6);
    expect(el.querySelector(".fw-sentence")!.textContent).toContain("The model puts this sentence into");
    expect(el.textContent).not.toContain("the model expects");
    [...el.querySelectorAll("button")].find((one) => one.textContent === "Back to the example")!.click();
    await settle();
    expect(model.get("examples")).toBe(own);
  });

  it("shows its classes without a head, and how far they moved", async () => {
    inPage();
    const { el, model } = mount({ live: "classifier-bert" });
    await type(el, "woe unto them that go down", WORDS.length);
    expect(classes(el, ".fw-worth")).toEqual([]);
    model.set("off", true);
    await settle();
    const [before, after] = [classes(el, ".fw-sentence"), classes(el, ".fw-worth")];
    const divergence = before.reduce((sum, [, p], i) => sum + p * Math.log(p / after[i][1]), 0);
    expect(value(el, "off")).toBeCloseTo(divergence, 9);
    expect(divergence).toBeGreaterThan(1e-5);
    model.set("removal", "mean");
    await settle();
    expect(value(el, "off")).not.toBeCloseTo(divergence, 6);
  });

  it("speaks Chinese, and says where a sentence was cut", async () => {
    document.documentElement.setAttribute("lang", "zh-CN");
    inPage();
    const { el } = mount({ live: "classifier-bert" });
    await type(el, "woe ".repeat(80), 64);
    expect(classes(el, ".fw-sentence").map(([name]) => name)).toEqual([
      "律法",
      "历史",
      "诗歌",
      "先知",
      "福音",
      "书信",
    ]);
    await vi.waitFor(() =>
      expect(el.querySelector(".fw-sentence-status")!.textContent).toContain("只读前 64 个词元"),
    );
  });
});

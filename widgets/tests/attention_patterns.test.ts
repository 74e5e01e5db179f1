import { describe, expect, it } from "vitest";
import golden from "./golden/attention_patterns.json";
import { close } from "./close";
import { cellsOf, entropy, isCausal, isDelimiter, kindOf, measure, METRICS, rollout, targets, valueWeighted } from "../src/attention_patterns";

describe("heads are measured as by the numpy twin", () => {
  it.each(golden.map((vector) => [JSON.stringify(vector.setting), vector] as const))("%s", (_, vector) => {
    const [layers, heads, length, size] = vector.shape;
    const { keys } = vector.setting as { keys?: number };
    const cells = cellsOf(vector.tokens, vector.setting.causal, keys ?? null);
    const head = (l: number, one: number): number[] => vector.weights.slice((l * heads + one) * length * size, (l * heads + one + 1) * length * size);
    for (let l = 0; l < layers; l++) {
      for (let one = 0; one < heads; one++) {
        const found = measure(head(l, one), cells);
        const start = (l * heads + one) * METRICS.length;
        const wanted = vector.metrics.slice(start, start + METRICS.length);
        expect([...found].map(Number.isNaN)).toEqual(wanted.map((value) => value === null));
        close([...found].map((value) => (Number.isNaN(value) ? 0 : value)), wanted.map((value) => value ?? 0), "metrics");
        expect(kindOf(found)).toBe(vector.kinds[l * heads + one]);
      }
    }
    const all = Array.from({ length: layers * heads }, (_, i) => isCausal(head(Math.floor(i / heads), i % heads), length, size));
    expect(all.every(Boolean)).toBe(vector.causal);
    close(entropy(head(0, 0), length, size), vector.entropies, "entropies");
    close(valueWeighted(head(1, 2), vector.norms, length, size), vector.weighted, "weighted");
    if (keys) return;
    const whole = Array.from({ length: layers }, (_, l) => vector.weights.slice(l * heads * length * length, (l + 1) * heads * length * length));
    close(rollout(whole, heads, length, 0.4).flatMap((one) => [...one]), vector.rollout, "rollout");
  });
});

describe("cells of the kinds", () => {
  const tokens = ["a", "b", ".", "a", "b"];
  it.each([["duplicate", [0]], ["induction", [1]], ["delimiter", [2]], ["first", [0]], ["previous", [2]], ["self", [3]], ["local", [0, 1, 2]]] as const)("%s", (kind, columns) => {
    expect(targets(kind, tokens, 3, true)).toEqual(columns);
  });

  it("refuses the kind that has none", () => {
    expect(() => targets("uniform", tokens, 3, true)).toThrow("kind is uniform");
  });

  it.each([[".", true], ["Ġ,", true], ["[SEP]", true], ["<|endoftext|>", true], ["。", true], ["##ing", false], ["Ġ", false], ["a.", false], ["", false], ["<script>", false]])("%j separates: %s", (token, separates) => {
    expect(isDelimiter(token)).toBe(separates);
  });
});

import { describe, expect, it } from "vitest";
import golden from "../golden/attention_patterns.json";
import { close } from "../close";
import { ofArrays, unpack } from "../../src/attention_pattern_analyzer/packing";
import { fromBase64 } from "../../src/base/bytes";
import {
  cellsOf,
  isDelimiter,
  kindOf,
  measure,
  METRICS,
  rollout,
  targets,
  valueWeighted,
} from "../../src/attention_pattern_analyzer/patterns";

describe("heads are measured as by the numpy twin", () => {
  it.each(golden.map((vector) => [JSON.stringify(vector.setting), vector] as const))("%s", (_, vector) => {
    const [layers, heads, length, size] = vector.shape;
    const { keys } = vector.setting as { keys?: number };
    const cells = cellsOf(vector.tokens, vector.setting.causal, keys ?? null);
    const head = (l: number, one: number): number[] =>
      vector.weights.slice((l * heads + one) * length * size, (l * heads + one + 1) * length * size);
    for (let l = 0; l < layers; l++) {
      for (let one = 0; one < heads; one++) {
        const found = measure(head(l, one), cells);
        const start = (l * heads + one) * METRICS.length;
        const wanted = vector.metrics.slice(start, start + METRICS.length);
        expect([...found].map(Number.isNaN)).toEqual(wanted.map((value) => value === null));
        close(
          [...found].map((value) => (Number.isNaN(value) ? 0 : value)),
          wanted.map((value) => value ?? 0),
          "metrics",
        );
        expect(kindOf(found)).toBe(vector.kinds[l * heads + one]);
      }
    }
    close(valueWeighted(head(1, 2), vector.norms, length, size), vector.weighted, "weighted");
    if (keys) return;
    const whole = Array.from({ length: layers }, (_, l) =>
      vector.weights.slice(l * heads * length * length, (l + 1) * heads * length * length),
    );
    close(
      rollout(whole, heads, length, 0.4).flatMap((one) => [...one]),
      vector.rollout,
      "rollout",
    );
  });
});

describe("packed weights are read as they were written", () => {
  it.each(
    golden.flatMap((vector) =>
      vector.packed.map(
        (packed) => [`${packed.form} ${JSON.stringify(vector.setting)}`, vector, packed] as const,
      ),
    ),
  )("%s", (_, vector, packed) => {
    const [layers, heads, length, size] = vector.shape;
    const shape = { layers, heads, length, size };
    const found = unpack(packed.form, vector.setting.causal, fromBase64(packed.data), shape);
    const own = ofArrays(
      Array.from({ length: layers }, (_, l) =>
        vector.weights.slice(l * heads * length * size, (l + 1) * heads * length * size),
      ),
      shape,
    );
    const sums: number[] = [];
    for (let l = 0; l < layers; l++) {
      for (let one = 0; one < heads; one++) {
        const [decoded, whole] = [found.matrix(l, one), own.matrix(l, one)];
        for (let t = 0; t < length; t++)
          sums.push(decoded.subarray(t * size, (t + 1) * size).reduce((sum, weight) => sum + weight, 0));
        decoded.forEach((weight, at) => {
          if (packed.form === "dense" || weight)
            expect(Math.abs(weight - whole[at])).toBeLessThanOrEqual(0.5 / 255 + 1e-6);
        });
      }
    }
    close(sums, packed.sums, "sums");
  });

  it("refuses bytes that do not fit", () => {
    const shape = { layers: 1, heads: 1, length: 2, size: 2 };
    expect(() => unpack("dense", true, new DataView(new ArrayBuffer(4)), shape)).toThrow(
      "attention has 4 bytes, and dense weights [1, 1, 2, 2] need 3",
    );
    expect(() => unpack("sparse", true, new DataView(new ArrayBuffer(1)), shape)).toThrow("need 2");
    expect(() => unpack("sparse", true, new DataView(Uint8Array.of(1, 0, 1).buffer), shape)).toThrow(
      "need 5",
    );
    expect(() => unpack("other", true, new DataView(new ArrayBuffer(4)), shape)).toThrow("form is other");
  });
});

describe("cells of the kinds", () => {
  const tokens = ["a", "b", ".", "a", "b"];
  it.each([
    ["duplicate", [0]],
    ["induction", [1]],
    ["delimiter", [2]],
    ["first", [0]],
    ["previous", [2]],
    ["self", [3]],
    ["local", [0, 1, 2]],
  ] as const)("%s", (kind, columns) => {
    expect(targets(kind, tokens, 3, true)).toEqual(columns);
  });

  it("refuses the kind that has none", () => {
    expect(() => targets("uniform", tokens, 3, true)).toThrow("kind is uniform");
  });

  it.each([
    [".", true],
    ["Ġ,", true],
    ["[SEP]", true],
    ["<|endoftext|>", true],
    ["。", true],
    ["##ing", false],
    ["Ġ", false],
    ["a.", false],
    ["", false],
    ["<script>", false],
  ])("%j separates: %s", (token, separates) => {
    expect(isDelimiter(token)).toBe(separates);
  });
});

// Rules and the landscape against the numpy twins' numbers.
import { describe, expect, it } from "vitest";
import { draws } from "../../src/base/draws";
import { fromBase64 } from "../../src/base/bytes";
import { Landscape } from "../../src/model_merging/landscape";
import {
  emptyLike,
  factors,
  largest,
  mergeInto,
  outcome,
  RULES,
  turn,
  unpack,
  type Merge,
} from "../../src/model_merging/rules";
import type { Tensors } from "../../src/reader/safetensors";
import landscapes from "../golden/merging_landscape.json";
import rules from "../golden/merging_rules.json";
import { close } from "../close";

const tensors = (values: Record<string, number[]>): Tensors =>
  new Map(
    Object.entries(values).map(([name, list]) => [
      name,
      { shape: [list.length], values: Float32Array.from(list) },
    ]),
  );

describe.each(rules.map((one, i) => ({ ...one, title: `${one.how.rule} ${i % 4}` })))("$title", (one) => {
  const how = one.how as unknown as Merge;

  it("gives the twin's weights", () => {
    const base = tensors(one.base);
    const into = emptyLike(base);
    // Whatever lay there before is written over.
    for (const { values } of into.values()) values.fill(NaN);
    const pieces = [...mergeInto(into, base, one.vectors.map(tensors), how)];
    expect(pieces.length).toBeGreaterThanOrEqual(base.size);
    for (const [name, wanted] of Object.entries(one.merged)) close(into.get(name)!.values, wanted, name);
  });

  it("means the same by weights and draws the same numbers", () => {
    close(factors(how), one.how.factors, "factors");
    if (one.how.turn === null) expect(turn(how)).toBeNull();
    else expect(turn(how)).toBeCloseTo(one.how.turn, 12);
    const draw = draws(how.seed, 5);
    close(
      one.drawn.map(() => draw()),
      one.drawn,
      "draws",
    );
  });
});

it("of equal entries the first are the largest", () => {
  const values = Float32Array.from([1, -2, 2, 0, 2, -2]);
  expect([...largest(values, 0.5)]).toEqual([0, 1, 1, 0, 1, 0]);
  expect([...largest(values, 0.01)]).toEqual([0, 1, 0, 0, 0, 0]);
  expect([...largest(values, 1)]).toEqual([1, 1, 1, 1, 1, 1]);
  expect([...largest(new Float32Array(4), 0.5)]).toEqual([1, 1, 0, 0]);
});

it("takes plus where the signs of ties balance", () => {
  const vectors = [1, -1].map((sign) => tensors({ w: [0.5, -0.25, 0, 0.5].map((value) => sign * value) }));
  const base = tensors({ w: [0, 0, 0, 0] });
  const into = emptyLike(base);
  const how = { ...(rules[0].how as unknown as Merge), rule: "ties" as const, weights: [1, 1], density: 1 };
  for (const _ of mergeInto(into, base, vectors, how));
  expect([...into.get("w")!.values]).toEqual([0.5, 0.25, 0, 0.5]);
});

it("unpacks each row by its scale, and misses none", () => {
  const file: Tensors = new Map([
    ["a.w", { shape: [2, 2], values: Float32Array.of(1, -2, 3, 4) }],
    ["a.w.scale", { shape: [2], values: Float32Array.of(0.5, 2) }],
    ["b.w", { shape: [2, 2], values: Float32Array.of(0, 0, 0, 1) }],
  ]);
  expect([...unpack(file, ["a"])[0].get("w")!.values]).toEqual([0.5, -1, 6, 8]);
  expect(() => unpack(file, ["b"])).toThrow("b.w has no scales");
});

describe("the landscape", () => {
  it.each(landscapes.map((one) => ({ ...one, title: `${one.length} ${one.embedding} ${one.weights}` })))(
    "is the twin's at $title",
    ({ axis, grid, length, embedding, weights, estimate }) => {
      const bytes = fromBase64(grid);
      const size = Landscape.size(2, axis.length, 3);
      const values = Uint16Array.from({ length: size }, (_, i) => bytes.getUint16(2 * i, true));
      const found = new Landscape(values, axis, 3).estimate(length, embedding, weights);
      close([...found.right, found.text], estimate, "estimate");
    },
  );

  it("estimates nothing at a node", () => {
    const axis = [-0.5, 0, 1];
    const values = Uint16Array.from({ length: Landscape.size(1, 3, 3) }, (_, i) => i);
    const land = new Landscape(values, axis, 3);
    expect(land.isNode([0, 1, -0.5])).toBe(true);
    expect(land.isNode([0, 1, 0.5])).toBe(false);
    expect(land.estimate(0, true, [0, 1, -0.5])).toEqual(land.node(0, true, [1, 2, 0]));
  });
});

describe.each(RULES)("of %s, in every state,", (rule) => {
  const at = [-0.5, 0, 0.75, 1];
  const states = at.flatMap((a) => at.flatMap((b) => at.map((c) => [a, b, c])));
  const pairs = [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const;
  const draw = draws(1, 1);
  const numbers = (): number[] => Array.from({ length: 64 }, () => draw() - 0.5);
  const base = tensors({ "layer.weight": numbers() });
  const vectors = [0, 1, 2].map(() => tensors({ "layer.weight": numbers() }));
  const merged = (how: Merge, parts = vectors): number[] => {
    const into = emptyLike(base);
    for (const _ of mergeInto(into, base, parts, how));
    return [...into.get("layer.weight")!.values];
  };
  const cases = states.flatMap((weights) =>
    pairs.map((pair): Merge => ({ weights, pair, rule, density: 0.5, seed: 0, embedding: true })),
  );

  it("the outcome names the vectors that the merge depends on, and no others", () => {
    for (const how of cases) {
      const whole = merged(how);
      const used = vectors.flatMap((_, i) => {
        const other = vectors.map((vector, j) => (i === j ? tensors({ "layer.weight": numbers() }) : vector));
        return merged(how, other).some((value, k) => value !== whole[k]) ? [i] : [];
      });
      const found = outcome(how);
      if (found.kind === "several") expect(found.count).toBe(used.length);
      else expect(found.kind === "base" ? [] : [found.task]).toEqual(used);
      if (found.kind === "base") expect(whole).toEqual([...base.get("layer.weight")!.values]);
    }
  });

  it("an expert is the base and its whole vector, embedding and all", () => {
    for (const how of cases) {
      const found = outcome(how);
      if (found.kind === "expert") {
        const only = [0, 1, 2].map((i) => Number(i === found.task));
        close(merged(how), merged({ ...how, rule: "sum", weights: only }), String(how.weights));
      }
      expect(outcome({ ...how, embedding: false }).kind).not.toBe("expert");
    }
    const known = cases.some((how) => outcome(how).kind === "expert");
    expect(known).toBe(rule !== "ties" && rule !== "dare");
  });
});

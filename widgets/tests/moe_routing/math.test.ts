import { describe, expect, it } from "vitest";
import golden from "../golden/moe_routing.json";
import mixtures from "../golden/moe_sizes.json";
import ways from "../golden/token_path.json";
import { close } from "../close";
import {
  expertParallel,
  mutualInformation,
  route,
  shuffledInformation,
  tokenPath,
  tokensOf,
} from "../../src/moe_routing/math";
import { MIXTURES, sizes } from "../../src/moe_routing/sizes";
import { compareRouters, ROUTERS } from "../../src/moe_routing/routers";

describe("route agrees with the numpy twin", () => {
  it.each(golden.map((vector) => [JSON.stringify(vector.options), vector] as const))("%s", (_, vector) => {
    const { tokens, experts, top_k, temperature, capacity_factor, renormalize } = vector.options;
    const { priority } = vector.options as { priority?: boolean };
    const r = route(vector.scores, tokens, experts, {
      topK: top_k,
      temperature,
      capacityFactor: capacity_factor,
      renormalize,
      priority,
    });
    close(r.probabilities, vector.probabilities, "probabilities");
    close(r.weights, vector.weights, "weights");
    close(r.f, vector.f, "f");
    close(r.P, vector.P, "P");
    close(
      [r.balanceLoss, r.cv, r.entropy, r.dropFraction],
      [vector.balance_loss, vector.cv, vector.entropy, vector.drop_fraction],
      "measures",
    );
    expect([...r.chosen]).toEqual(vector.experts);
    expect([...r.kept]).toEqual(vector.kept);
    expect([...r.slots]).toEqual(vector.slots);
    expect([...r.counts]).toEqual(vector.counts);
    expect(r.capacity).toBe(vector.capacity);
    close([r.zLoss], [vector.z_loss], "z loss");
    expect(mutualInformation(r, vector.groups)).toBeCloseTo(vector.information, 9);
    const shuffled = shuffledInformation(r, vector.groups, 20, tokens);
    vector.shuffled.forEach((bits, i) => expect(shuffled[i]).toBeCloseTo(bits, 9));
    for (const { devices, load, sent, straggler } of vector.parallel) {
      const found = expertParallel(r, devices);
      expect([[...found.load], [...found.sent]]).toEqual([load, sent]);
      expect(found.straggler).toBeCloseTo(straggler, 12);
    }
  });
});

describe("routers side by side agree with the numpy twin", () => {
  it.each(golden.map((vector) => [JSON.stringify(vector.options), vector] as const))("%s", (_, vector) => {
    const { tokens, experts, capacity_factor } = vector.options;
    const found = compareRouters(vector.scores, tokens, experts, capacity_factor, tokens);
    expect(found.map(({ name }) => name)).toEqual(ROUTERS);
    found.forEach((one, i) => {
      const wanted = vector.routers[i];
      expect({ name: one.name, top_k: one.topK, counts: [...one.counts], capacity: one.capacity }).toEqual({
        name: wanted.name,
        top_k: wanted.top_k,
        counts: wanted.counts,
        capacity: wanted.capacity,
      });
      close(
        [one.balanceLoss, one.cv, one.entropy, one.dropFraction, one.unserved],
        [wanted.balance_loss, wanted.cv, wanted.entropy, wanted.drop_fraction, wanted.unserved],
        one.name,
      );
    });
  });

  it("the bias evens what the scores alone would not, and a shared expert leaves nobody out", () => {
    const scores = Array.from({ length: 64 * 8 }, (_, at) => Math.sin(at * 1.7) + (at % 8 === 3 ? 2 : 0));
    const by = Object.fromEntries(compareRouters(scores, 64, 8, 0.5).map((one) => [one.name, one]));
    expect(by.top2.cv).toBeGreaterThan(0.5);
    expect(by.loss_free.cv).toBeLessThan(0.2);
    expect(by.expert_choice.cv).toBe(0);
    expect(by.switch.unserved).toBeGreaterThan(0);
    expect(by.shared.unserved).toBe(0);
  });
});

describe("a token's path agrees with the numpy twin", () => {
  it.each(ways.map((vector) => [JSON.stringify(vector.shape), vector] as const))(
    "%s",
    (_, { shape, scores, options, experts, weights, alike }) => {
      const [layers, tokens, size] = shape;
      const each = Array.from({ length: layers }, (_, l) =>
        scores.slice(l * tokens * size, (l + 1) * tokens * size),
      );
      const way = tokenPath(each, options.token, tokens, size, {
        topK: options.top_k,
        temperature: options.temperature,
        renormalize: options.renormalize,
        capacityFactor: 0.5,
      });
      expect(way.chosen.map((chosen) => [...chosen])).toEqual(experts);
      way.weights.forEach((row, layer) => close(row, weights[layer], `layer ${layer}`));
      expect(way.alike).toBe(alike);
    },
  );
});

describe("sizes agree with the numpy twin", () => {
  it.each(mixtures.map((vector) => [`${vector.model} ${JSON.stringify(vector.change)}`, vector] as const))(
    "%s",
    (_, { model, change, total, active, operations, bytes, log10_sets }) => {
      const {
        experts,
        top_k: topK,
        granularity,
      } = change as { experts?: number; top_k?: number; granularity?: number };
      const found = sizes(MIXTURES[model], { experts, topK, granularity });
      close(
        [found.total, found.active, found.operations, found.bytes, found.log10Sets],
        [total, active, operations, bytes, log10_sets],
        "sizes",
      );
    },
  );
});

describe("properties", () => {
  it("priority serves the surest tokens, wherever they stand", () => {
    const scores = [0.1, 0, 0.2, 0, 3, 0];
    const by = (priority: boolean): number[] => [
      ...route(scores, 3, 2, { topK: 1, temperature: 1, capacityFactor: 0.5, renormalize: false, priority })
        .kept,
    ];
    expect(by(false)).toEqual([1, 0, 0]);
    expect(by(true)).toEqual([0, 0, 1]);
  });

  const options = { topK: 2, temperature: 1, capacityFactor: 0, renormalize: true };

  it("a collapsed router reaches E / k and a perfectly even one reaches 1", () => {
    const collapsed = route(
      Array.from({ length: 32 }, (_, i) => (i % 4 === 0 ? 50 : 0)),
      8,
      4,
      { ...options, topK: 1 },
    );
    expect(collapsed.balanceLoss).toBeCloseTo(4, 6);
    const even = route([1, 0, 0, 1], 2, 2, { ...options, topK: 1 });
    expect(even.balanceLoss).toBeCloseTo(1, 12);
  });

  it("no tokens give zeros, not NaN", () => {
    const r = route([], 0, 4, options);
    expect([r.balanceLoss, r.cv, r.entropy, r.dropFraction]).toEqual([0, 0, 0, 0]);
  });

  it("lists an expert's tokens by probability", () => {
    const r = route([0, 1, 0, 3, 2, 0], 3, 2, { ...options, topK: 1 });
    expect(tokensOf(r, 1)).toEqual([1, 0]);
  });
});

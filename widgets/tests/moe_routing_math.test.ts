import { describe, expect, it } from "vitest";
import golden from "./golden/moe_routing.json";
import { close } from "./close";
import { route, tokensOf } from "../src/moe_routing_math";

describe("route agrees with the numpy twin", () => {
  it.each(golden.map((vector) => [JSON.stringify(vector.options), vector] as const))("%s", (_, vector) => {
    const { tokens, experts, top_k, temperature, capacity_factor, renormalize } = vector.options;
    const r = route(vector.scores, tokens, experts, { topK: top_k, temperature, capacityFactor: capacity_factor, renormalize });
    close(r.probabilities, vector.probabilities, "probabilities");
    close(r.weights, vector.weights, "weights");
    close(r.f, vector.f, "f");
    close(r.P, vector.P, "P");
    close([r.balanceLoss, r.cv, r.entropy, r.dropFraction], [vector.balance_loss, vector.cv, vector.entropy, vector.drop_fraction], "measures");
    expect([...r.chosen]).toEqual(vector.experts);
    expect([...r.kept]).toEqual(vector.kept);
    expect([...r.slots]).toEqual(vector.slots);
    expect([...r.counts]).toEqual(vector.counts);
    expect(r.capacity).toBe(vector.capacity);
  });
});

describe("properties", () => {
  const options = { topK: 2, temperature: 1, capacityFactor: 0, renormalize: true };

  it("a collapsed router reaches E / k and a perfectly even one reaches 1", () => {
    const collapsed = route(Array.from({ length: 32 }, (_, i) => (i % 4 === 0 ? 50 : 0)), 8, 4, { ...options, topK: 1 });
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

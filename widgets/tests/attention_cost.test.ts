import { describe, expect, it } from "vitest";
import golden from "./golden/attention_cost.json";
import { close } from "./close";
import { breakEven, cost, kept, read, right, shared, type Machine, type Model, type Sharing } from "../src/attention_cost";
import type { Pattern } from "../src/attention_masks";

const H100: Machine = { operations: 989.4e12, bandwidth: 3.35e12, memory: 80e9 };

describe("costs agree with the Python twin", () => {
  it.each(golden.map((vector, i) => [`${i}: ${vector.pattern.kind}, ${vector.sharing}`, vector] as const))("%s", (_, vector) => {
    const { kv_heads, head_dim, value_dim, ...same } = vector.model;
    const own: Model = { ...same, kvHeads: kv_heads, headDim: head_dim, valueDim: value_dim };
    const model = vector.sharing ? shared(own, vector.sharing as Sharing) : own;
    const pattern = vector.pattern as Pattern;
    expect(kept(model)).toBe(vector.kept);
    for (const [n, wanted] of Object.entries(vector.costs)) {
      const found = cost(model, pattern, Number(n), vector.bytes_each, H100);
      expect(found.fits, n).toBe(wanted.fits);
      for (const name of ["cells", "share", "attention", "others", "cache", "weights", "prefill", "decode"] as const) close([found[name]], [wanted[name]], `${name} at ${n}`);
    }
    const { long_answered, ...numbers } = vector.retrieval;
    const retrieval = { ...numbers, longAnswered: long_answered };
    expect(read(retrieval)).toBe(vector.read);
    close([right(retrieval)], [vector.right], "right");
    expect(breakEven(model, pattern, retrieval, vector.budget, H100)).toBe(vector.break_even);
  });
});

import { describe, expect, it } from "vitest";
import golden from "../golden/attention_cost.json";
import { close } from "../close";
import {
  breakEven,
  cost,
  crossover,
  kept,
  MACHINE,
  modelOf,
  MODELS,
  read,
  recurrentCost,
  right,
  RIVALS,
  shared,
  stateNumbers,
  type Sharing,
} from "../../src/long_context_strategies/cost";
import type { Pattern } from "../../src/long_context_strategies/masks";

describe("costs agree with the Python twin", () => {
  it.each(golden.map((vector, i) => [`${i}: ${vector.pattern.kind}, ${vector.sharing}`, vector] as const))(
    "%s",
    (_, vector) => {
      const own = modelOf(vector.model);
      const model = vector.sharing ? shared(own, vector.sharing as Sharing) : own;
      const pattern = vector.pattern as Pattern;
      expect(kept(model)).toBe(vector.kept);
      for (const [n, wanted] of Object.entries(vector.costs)) {
        const found = cost(model, pattern, Number(n), vector.bytes_each, MACHINE);
        expect(found.fits, n).toBe(wanted.fits);
        for (const name of [
          "cells",
          "share",
          "attention",
          "others",
          "cache",
          "weights",
          "prefill",
          "decode",
        ] as const)
          close([found[name]], [wanted[name]], `${name} at ${n}`);
      }
      const { retrieval } = vector;
      expect(read(retrieval)).toBe(vector.read);
      close([right(retrieval)], [vector.right], "right");
      expect(breakEven(model, pattern, retrieval, vector.budget, MACHINE)).toBe(vector.break_even);
      for (const rival of RIVALS) {
        const wanted = vector.rivals[rival];
        expect(stateNumbers(own.width, rival), rival).toBe(wanted.numbers);
        expect(crossover(model, pattern, rival) ?? null, rival).toBe(wanted.crossover);
        const found = recurrentCost(model, rival, 5000, vector.bytes_each, MACHINE);
        for (const name of ["state", "operations", "prefill", "decode"] as const)
          close([found[name]], [wanted.cost[name]], `${name} of ${rival}`);
      }
    },
  );
});

it("knows the models that Python knows", () => {
  expect(Object.values(MODELS)).toEqual([
    ...new Map(golden.map((vector) => [JSON.stringify(vector.model), modelOf(vector.model)])).values(),
  ]);
});

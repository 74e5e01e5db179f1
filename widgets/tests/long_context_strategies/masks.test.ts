import { describe, expect, it } from "vitest";
import golden from "../golden/attention_masks.json";
import { close } from "../close";
import {
  count,
  inLastRow,
  layersToSee,
  meanPathLength,
  PATTERN,
  visible,
  type Pattern,
} from "../../src/long_context_strategies/masks";

const N = golden[0].rows.length;

describe("patterns agree with the numpy twin", () => {
  it.each(golden.map((vector) => [JSON.stringify(vector.pattern), vector] as const))("%s", (_, vector) => {
    const pattern = vector.pattern as Pattern;
    const mask = visible(pattern, N);
    expect(vector.rows.map((_, i) => [...mask.subarray(i * N, (i + 1) * N)].join(""))).toEqual(vector.rows);
    for (const [n, cells] of Object.entries(vector.counts)) expect(count(pattern, Number(n)), n).toBe(cells);
    for (const [n, cells] of Object.entries(vector.last_rows))
      expect(inLastRow(pattern, Number(n)), n).toBe(cells);
    expect([...layersToSee(mask, N)]).toEqual(vector.layers);
    const { mean, share } = meanPathLength(mask, N);
    close([mean, share], [vector.mean_path, vector.share], "paths");
  });
});

it("counts a million tokens within a frame", () => {
  for (const kind of ["window", "dilated", "global", "random", "strided", "sinks"] as const) {
    const spent = Array.from({ length: 7 }, () => {
      const began = performance.now();
      count({ ...PATTERN, kind, window: 4096, stride: 1024 }, 1 << 20);
      return performance.now() - began;
    });
    expect(Math.min(...spent), kind).toBeLessThan(16); // the least: a busy machine only adds
  }
});

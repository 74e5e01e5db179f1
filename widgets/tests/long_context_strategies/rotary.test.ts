import { describe, expect, it } from "vitest";
import golden from "../golden/rotary.json";
import { close } from "../close";
import {
  alibiSlopes,
  alibiWindow,
  closest,
  frequencies,
  ramp,
  resolution,
  similarity,
  temperature,
  turns,
  type Method,
  type Rotary,
} from "../../src/long_context_strategies/rotary";

describe("rotations agree with the numpy twin", () => {
  it.each(golden.map((vector) => [`${vector.rotary.method}, ${vector.rotary.head_dim}`, vector] as const))(
    "%s",
    (_, vector) => {
      const { head_dim, beta_fast, beta_slow, method, ...same } = vector.rotary;
      const rotary: Rotary = {
        ...same,
        method: method as Method,
        headDim: head_dim,
        betaFast: beta_fast,
        betaSlow: beta_slow,
      };
      const speeds = frequencies(rotary);
      // Each pair by itself: the slowest are thousands of times smaller than the fastest.
      vector.frequencies.forEach((wanted, i) => close([speeds[i]], [wanted], `frequency ${i}`));
      vector.turns.forEach((wanted, i) => close([turns(speeds, rotary.trained)[i]], [wanted], `turns ${i}`));
      close(
        [temperature(rotary), resolution(speeds)],
        [vector.temperature, vector.resolution],
        "temperature, resolution",
      );
      close(ramp(rotary), vector.ramp, "ramp");
      close(
        vector.distances.map((distance) => similarity(speeds, distance)),
        vector.similarity,
        "similarity",
      );
      const { distance, chord } = closest(speeds, 300);
      expect(distance).toBe(vector.closest[0]);
      close([chord], [vector.closest[1]], "chord");
      const slopes = alibiSlopes(vector.slopes.length);
      vector.slopes.forEach((wanted, i) => close([slopes[i]], [wanted], `slope ${i}`));
      close(alibiWindow(slopes), vector.windows, "windows");
    },
  );
});

// What thresholds let through and block, against the numpy twin's numbers.
import { describe, expect, it } from "vitest";
import { fromBase64 } from "../../src/base/bytes";
import {
  auroc,
  cheapest,
  combined,
  cost,
  crossed,
  decode,
  operating,
  precision,
  rates,
  thousand,
  wilson,
  type Rates,
  type Sigmoid,
} from "../../src/threshold_explorer/decisions";
import golden from "../golden/threshold_decisions.json";
import { close } from "../close";

/** Equal within the promised error, where nothing stays nothing. */
function same(found: (number | null)[], wanted: (number | null)[], name: string): void {
  expect(
    found.map((value) => value === null),
    name,
  ).toEqual(wanted.map((value) => value === null));
  close(
    found.map((value) => value ?? 0),
    wanted.map((value) => value ?? 0),
    name,
  );
}

describe.each(golden.map((one, i) => ({ ...one, title: `${i}: ${one.harmful.length} texts` })))(
  "$title",
  (one) => {
    const logits = decode(fromBase64(one.scores));
    const sigmoids = one.sigmoids as unknown as Sigmoid[] | null;
    const scored = { scores: combined(logits, one.shifts, sigmoids), harmful: one.harmful };
    const points = operating(scored);

    it("scores and counts as the twin does", () => {
      close(scored.scores, one.combined, "combined");
      for (const { level, ...wanted } of one.rates) expect(rates(scored, level)).toEqual(wanted);
      expect(points).toEqual(one.points);
      same([auroc(points)], [one.auroc], "auroc");
    });

    it("has the twin's intervals", () => {
      one.rates.forEach(({ missed, harmful }, i) => {
        const found = wilson(missed, harmful);
        if (one.wilson[i] === null) expect(found).toBeNull();
        else close(found!, one.wilson[i], "wilson");
      });
    });

    it("has the twin's precision, costs and whole sentences", () => {
      for (const { prevalence, ratio, ...wanted } of one.uses) {
        const all = one.rates as Rates[];
        same(
          all.map((found) => precision(found, prevalence)),
          wanted.precision,
          "precision",
        );
        same(
          all.map((found) => cost(found, ratio, prevalence)),
          wanted.cost,
          "cost",
        );
        expect(cheapest(points, ratio, prevalence).level).toBe(wanted.cheapest);
        same([crossed(scored, ratio, prevalence)], [wanted.crossed], "crossed");
        expect(all.map((found) => thousand(found, prevalence))).toEqual(wanted.thousand);
      }
    });
  },
);

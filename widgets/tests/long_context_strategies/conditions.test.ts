// Measured conditions: each stands in a group and says its stretch, and the headline says what was measured.
import { describe, expect, it } from "vitest";
import data from "../../frontier_widgets/data/long_context_strategies.json";
import { apart, chart } from "../../src/base/chart";
import {
  compared,
  conditionName,
  conditions,
  drawnLeads,
  GROUPS,
  inGroup,
  leads,
} from "../../src/long_context_strategies/conditions";
import { drawLoss, drawRecall } from "../../src/long_context_strategies/drawings/measured";
import { headline } from "../../src/long_context_strategies/panels/measured";
import type { Curve, Data, State } from "../../src/long_context_strategies/state";
import { STRINGS } from "../../src/long_context_strategies/strings";

const METHODS = ["linear", "ntk", "yarn"];
const MEASURED = [
  "base",
  "cut",
  ...METHODS.flatMap((method) => [2, 4, 8, 16].map((s) => `${method}_s${s}`)),
  ...["dynamic_ntk", "longrope", "temperature_s8", "slow_unfinished_s8", "slow_finished_s8"],
  ...["proportional", "dropped", "never", "plain_tuned", "linear_s4_tuned", "linear_s8_tuned"],
  ...["ntk_s4_tuned", "ntk_s8_tuned", "ntk_s16_tuned", "yarn_s4_tuned", "yarn_s8_tuned", "longrope_tuned"],
  ...["dropped_tuned", "yarn_s8_at_64_tuned", "alibi", "alibi_cut", "alibi_window_32", "alibi_slopes_4"],
  ...["alibi_slopes_16", "alibi_plain_tuned", "alibi_slopes_4_tuned"],
];

/** Two buckets, two distances, two seeds; every condition has numbers of its own. */
function made(names: string[], factor = 8): Data {
  const curves: Record<string, Curve> = Object.fromEntries(
    names.map((name, i) => [
      name,
      {
        loss: [
          [3, 3.2],
          [4 + i / 100, 4.2 + i / 100],
        ],
        recall: name.endsWith("cut")
          ? []
          : [
              [1, 1],
              [i / 100, i / 100 + 0.02],
            ],
      },
    ]),
  );
  const buckets: [number, number][] = [
    [0, 64],
    [64, 64 * factor],
  ];
  const model = {};
  return {
    trained: 64,
    headDim: 28,
    base: 10000,
    heads: 4,
    factor,
    buckets,
    distances: [30, 480],
    curves,
    model,
    alibi: model,
  };
}

const all = made(MEASURED);
const shown = (group: (typeof GROUPS)[number], found = all): State =>
  ({ data: found, group }) as unknown as State;

describe("measured conditions", () => {
  it("each stands in a group", () => {
    for (const name of [...MEASURED, ...Object.keys(data.curves)])
      expect(
        GROUPS.filter((group) => inGroup(name, group, 8)),
        name,
      ).not.toEqual([]);
  });

  it("no picture has more lines than can be named beside it", () => {
    for (const group of GROUPS) expect(conditions(all, group).length, group).toBeLessThanOrEqual(9);
  });

  it("all that are stretched say by how much, in both languages", () => {
    for (const name of MEASURED)
      for (const text of Object.values(STRINGS)) {
        const words = conditionName(name, text);
        expect(words).not.toBe(name);
        const s = /_s(\d+)/.exec(name)?.[1];
        if (s) expect(words, name).toContain(`s = ${s}`);
        if (name.startsWith("longrope")) expect(words).toContain("s = 8");
        if (name.endsWith("_tuned")) expect(words).toMatch(/微调|tuned/);
      }
  });

  it("no two have the same words", () => {
    for (const text of Object.values(STRINGS))
      expect(new Set(MEASURED.map((name) => conditionName(name, text))).size).toBe(MEASURED.length);
  });

  it("the first view compares unchanged positions, s too small, and s that fits what is read", () => {
    expect(leads(all, "untuned")).toEqual(["base", "yarn_s4", "yarn_s8"]);
    expect(conditions(all, "untuned")).toEqual(["base", "cut", "linear_s8", "ntk_s8", "yarn_s4", "yarn_s8"]);
    expect(leads(made(["base", "yarn_s2", "yarn_s4"], 4), "untuned")).toEqual(["base", "yarn_s2", "yarn_s4"]);
  });

  it("a method is compared at half, once and twice the stretch that covers what is read", () => {
    for (const method of ["linear", "ntk", "yarn"] as const) {
      expect(leads(all, method)).toEqual([4, 8, 16].map((s) => `${method}_s${s}`));
      expect(drawnLeads(all, method).at(-1)).toBe(`${method}_s8`);
    }
    expect(drawnLeads(all, "alibi")).toEqual(leads(all, "alibi"));
  });

  it("curves of the reader's own are shown, and compared in their order", () => {
    const own = made(["mine", "theirs"]);
    expect(conditions(own, "untuned")).toEqual(["mine", "theirs"]);
    expect(leads(own, "untuned")).toEqual(["mine", "theirs"]);
    expect(headline(shown("untuned", own), STRINGS.en).recall).toContain("mine 1.0%; theirs 2.0%");
    expect(conditions(made(["mine_s8"]), "untuned")).toEqual(["mine_s8"]);
  });

  it("the headline is computed: means over the seeds, farthest away and in the last positions", () => {
    expect(compared(all, "untuned", "recall").map(({ name }) => name)).toEqual(leads(all, "untuned"));
    const at = MEASURED.indexOf("yarn_s8");
    const { recall, loss } = headline(shown("untuned"), STRINGS.zh);
    expect(recall).toContain("隔 480 个词元");
    expect(recall).toContain(`YaRN（s = 8）${at + 1}%`);
    expect(loss).toContain("第 64–511 个词元");
    expect(loss).toContain(`YaRN（s = 8）${(4.1 + at / 100).toFixed(2)}`);
    expect(headline(shown("untuned", made([])), STRINGS.en)).toEqual({ recall: "", loss: "" });
  });

  it("what the headline compares is drawn apart without colour, and on top", () => {
    for (const drawn of [
      drawRecall(shown("untuned"), STRINGS.en, 700),
      drawLoss(shown("untuned"), STRINGS.en, 700),
    ]) {
      const lines = JSON.stringify(drawn);
      expect(lines).toContain("YaRN (s = 8)");
      const paths = drawn.children
        .flatMap((child) => (typeof child === "string" ? [] : [child.attributes]))
        .filter(({ d, "stroke-width": width }) => /L/.test(String(d)) && Number(width) >= 2);
      expect(new Set(paths.map((path) => path["stroke-dasharray"])).size).toBe(3);
      expect(paths.at(-1)?.["stroke-width"]).toBe(3);
    }
  });
});

describe("names beside a chart", () => {
  it("do not touch, and stay as near to their lines as they can", () => {
    expect(apart([50, 10, 51], 13, 0, 100)).toEqual([50, 10, 63]);
    expect(apart([98, 99, 97], 13, 0, 100)).toEqual([87, 100, 74]);
    expect(apart([], 13, 0, 100)).toEqual([]);
  });

  it("stand in rows over the plane where there is no room beside it", () => {
    const line = { points: [[1, 1]] as [number, number][], color: "red", name: "a name" };
    const axis = { from: 0, to: 2, ticks: [] };
    const at = (width: number, named?: "ends"): { px: (x: number) => number } =>
      chart({ width, height: 100, x: axis, y: axis, lines: [line], named });
    expect(at(700, "ends").px(2)).toBeLessThan(at(700).px(2));
    expect(at(340, "ends").px(2)).toBe(at(340).px(2));
  });
});

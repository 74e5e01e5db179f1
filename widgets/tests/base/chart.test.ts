// The chart's scales are where its axes and lines are.
import { afterEach, describe, expect, it } from "vitest";
import { chart, powers, ROOM, ticks, type Chart } from "../../src/base/chart";
import type { Shape } from "../../src/base/shapes";

const room = { ...ROOM };
afterEach(() => Object.assign(ROOM, room));

const CHART: Chart = {
  width: 400,
  height: 200,
  x: { from: 10, to: 1000, log: true, ticks: [[100, "100"]] },
  y: { from: -1, to: 1, ticks: [[0, "0"]] },
  lines: [{ name: "one", color: "red", mark: "dot", points: [[100, 0]] }],
};
const shapes = (drawn: Shape, tag: string): Shape[] =>
  drawn.children.filter((child): child is Shape => typeof child !== "string" && child.tag === tag);

describe("a chart", () => {
  it.each([room, { ...room, left: 90, top: 30 }])(
    "places points by the scales that it gives: %j",
    (other) => {
      Object.assign(ROOM, other);
      const { drawing, px, py } = chart(CHART);
      expect(px(100)).toBeCloseTo((other.left + 400 - other.right) / 2);
      const dots = shapes(drawing, "circle").map(({ attributes }) => [attributes.cx, attributes.cy]);
      expect(dots).toContainEqual([px(100), py(0)]);
      const marks = shapes(drawing, "path").map(({ attributes }) => attributes.d);
      expect(marks).toContain(`M${px(100)} ${200 - other.bottom}v4`);
      expect(marks).toContain(`M${other.left - 4} ${py(0)}h4`);
      expect(px.invert(px(300))).toBeCloseTo(300);
      expect(py.invert(py(0.25))).toBeCloseTo(0.25);
    },
  );

  it("cuts off at the ends of an axis, and takes zero on a logarithmic one", () => {
    const { px, py } = chart(CHART);
    expect([px(0), px(1), px(1e6)]).toEqual([ROOM.left, ROOM.left, 400 - ROOM.right]);
    expect([py(-9), py(9)].map((y) => py.invert(y))).toEqual([-1, 1]);
  });

  it("has its ticks at round numbers and at powers", () => {
    expect(ticks(-0.4, 0.9, 5).map(([, words]) => words)).toEqual([
      "-0.4",
      "-0.2",
      "0.0",
      "0.2",
      "0.4",
      "0.6",
      "0.8",
    ]);
    expect(ticks(0, 17, 5).map(([value, words]) => [value, words])).toEqual([
      [0, "0"],
      [5, "5"],
      [10, "10"],
      [15, "15"],
    ]);
    expect(powers(1, 1e4)).toEqual([1, 10, 100, 1e3, 1e4]);
    expect(powers(16, 512, 2)).toEqual([16, 32, 64, 128, 256, 512]);
    expect(powers(1, 1e14, 10, 7).length).toBeLessThan(10);
  });
});

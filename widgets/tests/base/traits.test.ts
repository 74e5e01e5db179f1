// Trait values of any origin become what a figure can use.
import { expect, it } from "vitest";
import { bytesOf, clamp, oneOf } from "../../src/base/traits";

it("numbers stay within their range, and anything else is the usual one", () => {
  expect([clamp(7, 0, 5, 2), clamp(-7, 0, 5, 2), clamp(3, 0, 5, 2)]).toEqual([5, 0, 3]);
  expect([clamp("3", 0, 5, 2), clamp(NaN, 0, 5, 2), clamp(undefined, 0, 5, 2)]).toEqual([2, 2, 2]);
});

it("a choice is one of its options", () => {
  expect(oneOf("b", ["a", "b"] as const, "a")).toBe("b");
  expect(oneOf({}, ["a", "b"] as const, "a")).toBe("a");
});

it("bytes come as any of the browser's kinds, wherever they start", () => {
  const { buffer } = new Uint8Array([1, 2, 3, 4]);
  const found = [new DataView(buffer, 1, 2), buffer, new Uint8Array(buffer, 1, 2), "text", null].map(bytesOf);
  expect(found.map(({ byteLength }) => byteLength)).toEqual([2, 4, 2, 0, 0]);
  expect([found[0].getUint8(0), found[1].getUint8(0), found[2].getUint8(0)]).toEqual([2, 1, 2]);
});

// Numbers that both languages compute: equal within the relative error that the figures promise.
import { expect } from "vitest";

export function close(found: ArrayLike<number>, wanted: readonly number[], name: string): void {
  expect(found.length, name).toBe(wanted.length);
  const scale = Math.max(1e-12, ...wanted.map(Math.abs));
  wanted.forEach((value, i) =>
    expect(Math.abs(found[i] - value) / scale, `${name}[${i}]`).toBeLessThanOrEqual(1e-6),
  );
}

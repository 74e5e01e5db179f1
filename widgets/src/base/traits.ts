// Trait values as a figure can use them: they come from
// Python, a saved state or an author, and may be anything.
import type { AnyModel } from "./afm";

export const isNumber = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value);

/** The nearest number from `low` to `high`; `otherwise` for what is no finite number. */
export const clamp = (value: unknown, low: number, high: number, otherwise: number): number =>
  Math.min(high, Math.max(low, isNumber(value) ? value : otherwise));

export function oneOf<T extends string>(value: unknown, options: readonly T[], otherwise: T): T {
  return options.find((option) => option === value) ?? otherwise;
}

/** The bytes of a binary trait, in whichever form the front end holds it; none for anything else. */
export function bytesOf(value: unknown): DataView {
  if (value instanceof DataView) return value;
  if (value instanceof ArrayBuffer) return new DataView(value);
  return ArrayBuffer.isView(value)
    ? new DataView(value.buffer, value.byteOffset, value.byteLength)
    : new DataView(new ArrayBuffer(0));
}

/** Write traits, and save them to the kernel where there is one. */
export function setTraits(model: AnyModel, values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

/** The traits of these names with their present values. */
export const traitsOf = (model: AnyModel, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(names.map((name) => [name, model.get(name)]));

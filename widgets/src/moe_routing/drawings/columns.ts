// Columns that the table, the bins and the load share.

/** A gutter for labels, then one column for each expert. */
export interface Columns {
  gutter: number;
  column: number;
  width: number;
}

export function columns(width: number, experts: number): Columns {
  const gutter = width < 520 ? 58 : 84;
  return { gutter, column: (width - gutter) / experts, width };
}

export const MONO = "ui-monospace, monospace";

/** Experts beyond the eighth repeat the colours; their numbers tell them apart. */
export const hue = (expert: number): string => `var(--fw-e${expert % 8})`;

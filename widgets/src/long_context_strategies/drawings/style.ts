// How curves are told apart.

export const hue = (i: number): string => `var(--fw-e${[0, 5, 2, 3, 4, 1, 7][i % 7]})`;
export const DASHES = [undefined, "6 2", "6 2 2 2", "2 2", "8 3", "4 1", "1 2"];

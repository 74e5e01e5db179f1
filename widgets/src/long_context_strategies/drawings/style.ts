// How curves are told apart.

export const hue = (i: number): string => `var(--fw-e${[0, 5, 2, 3, 4, 1, 7][i % 7]})`;

// In place of d3-color, which D3's scales bring along to mix colours: a third of their code, and the scales
// of the figures are of numbers.

export const color = (): null => null;
export { color as cubehelix, color as hcl, color as hsl, color as lab, color as rgb };

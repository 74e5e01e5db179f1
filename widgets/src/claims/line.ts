// Points that the reader's own measurements put on a claim's line.
import type { Estimate } from "./statistics";

const SVG = "http://www.w3.org/2000/svg";
/** As site/claim_lines.py draws the line. */
const [LEFT, RIGHT, AXIS] = [14, 306, 40];

/** From a number to the line's units; what lies outside stands at its end. */
export function along(svg: SVGElement, number: number): number {
  const [low, high] = [Number(svg.dataset.low), Number(svg.dataset.high)];
  const share = (number - low) / (high - low);
  return LEFT + (RIGHT - LEFT) * Math.min(1.03, Math.max(-0.03, share));
}

function add(svg: SVGElement, kind: string, d: string): void {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("class", kind);
  path.setAttribute("d", d);
  svg.append(path);
}

/** A diamond for each press, and the interval of all of them together below the claim's own. */
export function addPoints(svg: SVGElement, presses: readonly number[], all: Estimate): void {
  for (const old of svg.querySelectorAll(".again, .again-interval")) old.remove();
  const [from, to] = [along(svg, all.low), along(svg, all.high)];
  add(svg, "again-interval", `M${from.toFixed(1)} ${AXIS + 9}H${Math.max(to, from + 1).toFixed(1)}`);
  for (const value of presses)
    add(svg, "again", `M${along(svg, value).toFixed(1)} ${AXIS + 4}l5 5l-5 5l-5-5z`);
}

// Room that is kept: a figure has its height before it stands, and nothing below it moves when it changes.
import { followWidth } from "./width";

/** Least width of the place and the height that is kept there, both in pixels; the widest place first. */
export type Heights = readonly (readonly [width: number, height: number])[];

export function heightAt(heights: Heights, width: number): number {
  return (heights.find(([least]) => width >= least) ?? heights[heights.length - 1])[1];
}

/** Keep the height that belongs to the width of an element, until the signal aborts. */
export function reserve(root: HTMLElement, heights: Heights, signal: AbortSignal): void {
  followWidth(
    root,
    (width) => {
      root.style.minHeight = `${heightAt(heights, width)}px`;
    },
    signal,
  );
}

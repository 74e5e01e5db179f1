// A part that is closed until the reader opens it, and a table in it.
import type { AnyModel } from "../../base/afm";
import { h } from "../../base/dom";
import { scrollStop } from "../../base/width";
import type { RoutingFigure } from "../figure";

/** Titles of the parts that a reader has opened. */
const opened = new WeakMap<AnyModel, Set<string>>();

/**
 * A part that is built when the reader opens it, and open still when a new sentence builds the figure anew.
 */
export function folded(
  figure: RoutingFigure,
  title: string,
  build: (details: HTMLDetailsElement) => HTMLElement[],
): HTMLDetailsElement {
  const open = opened.get(figure.model) ?? new Set<string>();
  opened.set(figure.model, open);
  const details = h(
    "details",
    { class: "fw-panel fw-compare", open: open.has(title) },
    h("summary", {}, title),
  );
  const fill = (): void => details.append(...build(details));
  details.addEventListener(
    "toggle",
    () => {
      if (details.open) open.add(title);
      else open.delete(title);
      if (details.open && details.childElementCount === 1) fill();
      else if (details.open) figure.update();
    },
    { signal: figure.signal },
  );
  if (details.open) fill();
  return details;
}

/** A table that moves sideways where it is wider than its place. */
export function scrolling(figure: RoutingFigure, title: string, table: HTMLTableElement): HTMLElement {
  const place = h("div", { class: "fw-routers", role: "group", "aria-label": title }, table);
  scrollStop(place, figure.signal);
  return place;
}

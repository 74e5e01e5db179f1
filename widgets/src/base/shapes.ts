// Drawings as plain values, and elements that follow them.
//
// A slider draws the same shapes with other numbers at each step. New elements would be created, styled and
// laid out from nothing each time, which takes longer than a frame on a slow machine; comparing two trees of
// values and writing the attributes that differ does not. It is by hand because drawings have no keys, inputs
// or listeners, which is what the libraries for this are about.
import { setAttribute } from "./dom";

type Tag = keyof SVGElementTagNameMap;
type Value = string | number | null | undefined;

export interface Shape<K extends Tag = Tag> {
  readonly tag: K;
  readonly attributes: Record<string, Value>;
  readonly children: (Shape | string)[];
}

export type Drawing = Shape<"svg">;

export function svg<K extends Tag>(
  tag: K,
  attributes: Record<string, Value> = {},
  ...children: (Shape | string)[]
): Shape<K> {
  return { tag, attributes, children };
}

/** An empty sheet of this size in pixels, with shapes on it. */
export function sheet(width: number, height: number, ...children: Shape[]): Drawing {
  const box = { width, height, viewBox: `0 0 ${width} ${height}` };
  return svg("svg", { xmlns: "http://www.w3.org/2000/svg", ...box }, ...children);
}

const FONT = { "font-family": "system-ui, sans-serif", fill: "var(--fw-ink)" };

/** Words at a point of the sheet. */
export function label(
  x: number,
  y: number,
  words: string,
  more: Record<string, string | number> = {},
): Shape<"text"> {
  return svg("text", { x, y, "font-size": 11, ...FONT, ...more }, words);
}

export function toElement<K extends Tag>(shape: Shape<K>): SVGElementTagNameMap[K] {
  const el = document.createElementNS("http://www.w3.org/2000/svg", shape.tag);
  for (const [name, value] of Object.entries(shape.attributes))
    if (value !== undefined && value !== null) el.setAttribute(name, String(value));
  el.append(...shape.children.map((child) => (typeof child === "string" ? child : toElement(child))));
  return el;
}

/** Gives the element of `before`, and all below it, what `after` has otherwise. */
function change(el: Element, before: Shape, after: Shape): void {
  for (const name of Object.keys(before.attributes))
    if (after.attributes[name] === undefined || after.attributes[name] === null) el.removeAttribute(name);
  for (const [name, value] of Object.entries(after.attributes)) {
    if (value !== undefined && value !== null && value !== before.attributes[name])
      setAttribute(el, name, String(value));
  }
  const nodes = [...el.childNodes];
  after.children.forEach((child, i) => {
    const old = before.children[i];
    if (old === undefined) el.append(typeof child === "string" ? child : toElement(child));
    else if (typeof old === "string" && typeof child === "string") {
      if (old !== child) nodes[i].nodeValue = child;
    } else if (typeof old !== "string" && typeof child !== "string" && old.tag === child.tag)
      change(nodes[i] as Element, old, child);
    else nodes[i].replaceWith(typeof child === "string" ? child : toElement(child));
  });
  for (const node of nodes.slice(after.children.length)) node.remove();
}

/** The one drawing in `place`: each call of what is returned brings it to another shape. */
export function follow(place: Element): (drawing: Drawing) => void {
  let shown: { el: Element; drawing: Drawing } | undefined;
  return (drawing) => {
    if (shown) change(shown.el, shown.drawing, drawing);
    else place.append(toElement(drawing));
    shown = { el: shown?.el ?? (place.lastChild as Element), drawing };
  };
}

/** The one drawing in `place`, an image with a description for those who cannot see it. */
export function picture(place: Element): (drawing: Drawing, said: string) => void {
  const paint = follow(place);
  return (drawing, said) =>
    paint({ ...drawing, attributes: { ...drawing.attributes, role: "img", "aria-label": said } });
}

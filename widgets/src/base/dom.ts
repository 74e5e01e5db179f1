// Building and changing elements. Data always goes in as text or as attributes, never as markup.

type Value = string | number | boolean | null | undefined;
type Child = Node | string | null | undefined;

function fill(el: Element, attributes: Record<string, Value>, children: Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    el.setAttribute(name, value === true ? "" : String(value));
  }
  el.append(...children.filter((child) => child !== null && child !== undefined));
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag);
  fill(el, attributes, children);
  return el;
}

/** Writes only what differs, so that screen readers and mutation observers stay quiet. */
export function setText(el: Element, text: string): void {
  const only = el.childNodes.length === 1 ? el.firstChild : null;
  if (only instanceof Text) {
    // A text that changes is laid out again; a new one is attached as well.
    if (only.data !== text) only.data = text;
  } else if (el.textContent !== text) el.textContent = text;
}

export function setAttribute(el: Element, name: string, value: string): void {
  if (el.getAttribute(name) !== value) el.setAttribute(name, value);
}

let serial = 0;

/** An id that no other element of the page has. */
export function uniqueId(prefix: string): string {
  let id: string;
  do id = `fw-${prefix}-${++serial}`;
  while (document.getElementById(id));
  return id;
}

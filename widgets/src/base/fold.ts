// A part of a figure that is one click away, and says in its own headline what is found there.
import type { AnyModel } from "./afm";
import { h, setText } from "./dom";
import type { Figure } from "./figure";

export interface Fold<State> {
  /** By which it is remembered that the reader opened it. */
  name: string;
  title: string;
  /** What the state shows in this part; it stands beside the title, open or closed. */
  headline(state: State): string;
  /** The content, built when the reader first opens the part; what `on` is given follows while it is open. */
  build(on: (part: (state: State) => void) => void): Element[];
}

/** Names of the parts that a reader has opened, by model: a new language builds the figure anew. */
const opened = new WeakMap<AnyModel, Set<string>>();

export function fold<State extends { table: boolean }>(
  figure: Figure<unknown, State, { title: string; tableView: string }>,
  { name, title, headline, build }: Fold<State>,
): HTMLDetailsElement {
  const open = opened.get(figure.model) ?? new Set<string>();
  opened.set(figure.model, open);
  const finding = h("span", { class: "fw-fold-finding" });
  const details = h(
    "details",
    { class: "fw-fold", open: open.has(name), "data-fold": name },
    h("summary", {}, h("span", { class: "fw-fold-title" }, title), " ", finding),
  );
  const parts: ((state: State) => void)[] = [];
  let built = false;
  const show = (state: State): void => {
    if (!built) details.append(...build((part) => parts.push(part)));
    built = true;
    for (const part of parts) part(state);
  };
  details.addEventListener(
    "toggle",
    () => {
      if (!details.open) {
        open.delete(name);
        return;
      }
      open.add(name);
      show(figure.state);
    },
    { signal: figure.signal },
  );
  figure.on((state) => {
    setText(finding, headline(state));
    if (details.open) show(state);
  });
  return details;
}

// The one sentence that a figure proves, computed from its state: what is read first, and what is announced.
import { h, setText } from "./dom";
import type { Figure } from "./figure";

export interface Headline {
  /** What the state shows, as a sentence. */
  finding: string;
  /** What it is compared with, or on what it was measured; may be empty. */
  note: string;
}

/** The sentence for those who hear the figure: what `Figure.summary` gives. */
export const said = ({ finding, note }: Headline): string => (note ? `${finding} ${note}` : finding);

/** Two lines that keep their room, so that nothing below them moves when the sentence does. */
export function headline<State extends { table: boolean }>(
  figure: Figure<unknown, State, { title: string; tableView: string }>,
  words: (state: State) => Headline,
): HTMLElement {
  const finding = h("div", { class: "fw-headline" });
  const note = h("p", { class: "fw-subline" });
  figure.on((state) => {
    const now = words(state);
    setText(finding, now.finding);
    setText(note, now.note);
  });
  return h("div", { class: "fw-heading" }, finding, note);
}

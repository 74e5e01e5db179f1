// What a reader is told: one error box and one polite live region for each component.
import { h, setText } from "./dom";

/** A box that says what is wrong, in the page instead of only in the console. */
export function errorBox(title: string, message: string): HTMLElement {
  return h("div", { class: "fw-error", role: "alert" }, h("strong", {}, title), h("p", {}, message));
}

export interface LiveSummary {
  element: HTMLElement;
  say(text: string): void;
}

/**
 * The only aria-live element of a component: the latest state in one sentence, and nothing on first paint.
 */
export function liveSummary(): LiveSummary {
  const element = h("div", { class: "fw-hidden", "aria-live": "polite", "aria-atomic": "true" });
  return { element, say: (text) => setText(element, text) };
}

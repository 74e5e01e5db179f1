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
 *
 * @param rest - milliseconds without another text after which one is said: nobody wants to hear each step of
 *   a slider.
 */
export function liveSummary(rest = 0): LiveSummary {
  const element = h("div", { class: "fw-hidden", "aria-live": "polite", "aria-atomic": "true" });
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const say = (text: string): void => {
    clearTimeout(waiting);
    if (rest) waiting = setTimeout(() => setText(element, text), rest);
    else setText(element, text);
  };
  return { element, say };
}

// A story that points: each step sets the figure, says one thing of it, and outlines what it speaks of.
import { button } from "./controls";
import { h, setAttribute, setText } from "./dom";
import type { Figure } from "./figure";
import { reducedMotion } from "./motion";
import { BASE_STRINGS } from "./strings";

export interface Step<State> {
  /** Trait values that the step shows. */
  set: Record<string, unknown>;
  words(state: State): string;
  /** The element that the step speaks of; a closed fold around it is opened. */
  at(): Element;
}

/** The attribute by which the style sheet outlines an element. */
const POINTED = "data-fw-pointed";

/**
 * The button that begins the story and ends it, and the panel that tells it. The trait `story` is the step
 * that is shown, -1 for none.
 */
export function story<State extends { table: boolean; story: number }>(
  figure: Figure<unknown, State, { title: string; tableView: string }>,
  steps: readonly Step<State>[],
): { toggle: HTMLButtonElement; panel: HTMLElement } {
  const text = BASE_STRINGS[figure.language];
  let shown = -1;
  let pointed: Element | undefined;
  const go = (step: number): void =>
    figure.set(steps[step] ? { ...steps[step].set, story: step, view: "figure" } : { story: -1 });
  const toggle = button(text.story, () => go(figure.state.story < 0 ? 0 : -1));
  const count = h("span", { class: "fw-caption" });
  const words = h("p", { class: "fw-story-words" });
  const previous = button(text.previous, () => go(figure.state.story - 1));
  const next = button(text.next, () => go(figure.state.story + 1));
  const panel = h(
    "div",
    { class: "fw-story-panel", role: "group", "aria-label": text.story },
    h("div", { class: "fw-row" }, count, previous, next),
    words,
  );
  const point = (step: number): void => {
    pointed?.removeAttribute(POINTED);
    pointed = steps[step]?.at();
    if (!pointed) return;
    const closed = pointed.closest<HTMLDetailsElement>("details:not([open])");
    if (closed) closed.open = true;
    setAttribute(pointed, POINTED, "");
    pointed.scrollIntoView?.({ block: "nearest", behavior: reducedMotion() ? "auto" : "smooth" });
  };
  figure.on((state) => {
    const step = steps[state.story] ? state.story : -1;
    panel.hidden = step < 0;
    setText(toggle, step < 0 ? text.story : text.endStory);
    setAttribute(toggle, "aria-pressed", String(step >= 0));
    if (step >= 0) {
      setText(count, text.step(step + 1, steps.length));
      setText(words, steps[step].words(state));
      previous.disabled = step === 0;
      setText(next, step === steps.length - 1 ? text.endStory : text.next);
    }
    if (step !== shown) point(step);
    shown = step;
  });
  return { toggle, panel };
}

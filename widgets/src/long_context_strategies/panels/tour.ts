// A guided tour: steps that set the figure, and a sentence for each.
import { button } from "../../base/controls";
import { h, setAttribute, setText } from "../../base/dom";
import type { LongContextFigure } from "../figure";

/** What each step of the tour shows. */
const STORIES: Record<string, unknown>[] = [
  { topic: "mask", kind: "causal", tokens: 48, layers: 1 },
  { topic: "mask", kind: "window", causal: true, window: 8, tokens: 48, layers: 3 },
  { topic: "mask", kind: "global", causal: false, window: 8, anchors: 1, tokens: 48, layers: 2 },
  { topic: "position", rope: "measured", method: "default", scale: 8 },
  { topic: "position", rope: "measured", method: "yarn", scale: 8 },
  { topic: "measured", group: "untuned" },
  {
    topic: "cost",
    kind: "window",
    wide: 4096,
    model: "Llama-3.1-8B",
    sharing: "own",
    length: 1048576,
    bytes_each: 2,
  },
];

export function tour(figure: LongContextFigure): { toggle: HTMLElement; panel: HTMLElement } {
  const text = figure.text;
  const go = (step: number): void =>
    figure.set(
      step < 0 || step >= STORIES.length ? { story: -1 } : { ...STORIES[step], story: step, view: "figure" },
    );
  const toggle = button(text.startStory, () => go(figure.state.story < 0 ? 0 : -1));
  const words = h("p", { class: "fw-story" });
  const count = h("span", { class: "fw-caption" });
  const previous = button(text.previous, () => go(figure.state.story - 1));
  const next = button(text.next, () => go(figure.state.story + 1));
  const panel = h("div", { class: "fw-tour" }, h("div", { class: "fw-row" }, count, previous, next), words);
  figure.on(({ story }) => {
    const on = story >= 0 && story < STORIES.length;
    panel.hidden = !on;
    setText(toggle, on ? text.endStory : text.startStory);
    setAttribute(toggle, "aria-pressed", String(on));
    if (!on) return;
    setText(count, `${text.story} · ${text.stepOf(story + 1, STORIES.length)}`);
    setText(words, text.stories[story]);
    previous.disabled = story === 0;
    setText(next, story === STORIES.length - 1 ? text.endStory : text.next);
  });
  return { toggle, panel };
}

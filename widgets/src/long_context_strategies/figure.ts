// LongContextStrategies as its panels know it, and what several of them need.
import { check, choice, range } from "../base/controls";
import { h, setAttribute, setText } from "../base/dom";
import type { Figure } from "../base/figure";
import { KINDS } from "./masks";
import type { Data, State, Topic } from "./state";
import type { LongContextStrings } from "./strings";

export type LongContextFigure = Figure<Data, State, LongContextStrings>;

/** Bring a part to the state while its topic is shown. */
export function onTopic(figure: LongContextFigure, topic: Topic, part: (state: State) => void): void {
  figure.on((state) => {
    if (state.topic === topic) part(state);
  });
}

/** What a topic shows, hidden while another is looked at. */
export function topicPanel(
  figure: LongContextFigure,
  topic: Topic,
  ...children: (Node | string)[]
): HTMLElement {
  const panel = h("div", { class: `fw-topic fw-topic-${topic}` }, ...children);
  figure.on((state) => (panel.hidden = state.topic !== topic));
  return panel;
}

/** Pixels across a drawing. */
export function drawingWidth(figure: LongContextFigure, most = 760): number {
  return Math.min(most, Math.max(280, figure.width || 640));
}

/** Cells of the mask that are visible. */
export function visibleCells(state: State): number {
  return state.mask.reduce((sum, cell) => sum + cell, 0);
}

/** A row of numbers with their names; a value is the exact number, how it is said, and a note beside it. */
export function metricTiles(
  figure: LongContextFigure,
  names: (keyof LongContextStrings["metrics"])[],
  topic: Topic,
  values: (state: State) => Record<string, [number | string, string, string?]>,
): HTMLElement {
  const boxes = names.map((name) => ({ name, value: h("data", { "data-name": name }), note: h("small") }));
  onTopic(figure, topic, (state) => {
    const now = values(state);
    for (const { name, value, note } of boxes) {
      const [exact, shown, beside = ""] = now[name];
      setAttribute(value, "value", String(exact));
      setText(value, shown);
      setText(note, beside);
    }
  });
  return h(
    "dl",
    { class: "fw-metrics" },
    ...boxes.map(({ name, value, note }) =>
      h("div", {}, h("dt", {}, figure.text.metrics[name]), h("dd", {}, value, " ", note)),
    ),
  );
}

/** Which settings each pattern has. */
const SETTINGS: Record<string, string[]> = {
  full: [],
  causal: [],
  window: ["window"],
  dilated: ["window", "dilation"],
  global: ["window", "anchors"],
  random: ["window", "anchors", "random", "seed"],
  strided: ["stride"],
  sinks: ["window", "sinks"],
};

/** Which pattern, and whether it looks ahead. */
export function patternControls(figure: LongContextFigure, topic: Topic): HTMLElement[] {
  const text = figure.text;
  const kind = choice(
    text.kind,
    KINDS.map((name) => text.kinds[name]),
    (i) => figure.set({ kind: KINDS[i] }),
  );
  const causal = check(text.causal, (on) => figure.set({ causal: on }));
  onTopic(figure, topic, ({ pattern }) => {
    kind.set(KINDS.indexOf(pattern.kind));
    causal.set(pattern.causal);
    causal.element.hidden = ["full", "causal", "sinks"].includes(pattern.kind);
  });
  return [kind.element, causal.element];
}

/** A slider of one of the pattern's settings, shown where the pattern has it. */
export function patternSetting(
  figure: LongContextFigure,
  topic: Topic,
  name: "window" | "dilation" | "anchors" | "random" | "seed" | "stride" | "sinks",
  min: number,
  max: number,
): HTMLElement {
  const slider = range(figure.text[name], { min, max, step: 1 }, (value) => figure.set({ [name]: value }));
  onTopic(figure, topic, ({ pattern }) => {
    slider.set(Math.min(max, pattern[name]), String(pattern[name]));
    slider.element.hidden = !SETTINGS[pattern.kind].includes(name);
  });
  return slider.element;
}

// What trained models do: a headline, recall by distance, loss by position.
import { select } from "../../base/controls";
import { h, setText } from "../../base/dom";
import { picture } from "../../base/shapes";
import { compared, conditionName, conditions, GROUPS, mean } from "../conditions";
import { drawLoss, drawRecall } from "../drawings/measured";
import { drawingWidth, onTopic, topicPanel, type LongContextFigure } from "../figure";
import type { State } from "../state";
import type { LongContextStrings } from "../strings";
import { percent } from "../units";

/** The finding in numbers: how much each way recalls from farthest away, and the loss at the end. */
export function headline({ data, group }: State, text: LongContextStrings): { recall: string; loss: string } {
  const words = (what: "loss" | "recall", say: (value: number) => string): string =>
    compared(data, group, what)
      .map(({ name, value }) => text.isValue(conditionName(name, text), say(value)))
      .join(text.semicolon);
  const recall = words("recall", percent);
  const loss = words("loss", (value) => value.toFixed(2));
  const [from, to] = data.buckets.at(-1) ?? [0, 0];
  return {
    recall: recall && text.recalled(data.distances.at(-1) ?? 0, recall),
    loss: loss && text.lost(from, to - 1, loss),
  };
}

/** A sentence whose lines do not break before a bracket or within `s = 8`. */
const unbroken = (sentence: string): string =>
  sentence.replaceAll(" = ", "\u00a0=\u00a0").replaceAll("（", "\u2060（").replaceAll(" (", "\u00a0(");

export function measured(figure: LongContextFigure): HTMLElement {
  const text = figure.text;
  const group = select(
    text.group,
    GROUPS.map((name) => text.groups[name]),
    (i) => figure.set({ group: GROUPS[i] }),
  );
  const [first, second] = [h("p", { class: "fw-headline" }), h("p", { class: "fw-subline" })];
  const places = [0, 1].map(() => h("div", { class: "fw-drawing" }));
  const [recall, loss] = places.map(picture);
  const said = (state: State, what: "loss" | "recall"): string =>
    conditions(state.data, state.group)
      .filter((name) => state.data.curves[name][what].length)
      .map((name) => {
        const means = state.data.curves[name][what].map((row) => mean(row).toFixed(2));
        return `${conditionName(name, text)} ${means.join(" ")}`;
      })
      .join("; ");
  const note = h("p", { class: "fw-source" });
  onTopic(figure, "measured", (state) => {
    const width = drawingWidth(figure);
    const { trained, buckets, curves } = state.data;
    const found = headline(state, text);
    group.set(GROUPS.indexOf(state.group));
    setText(first, unbroken(found.recall || found.loss));
    setText(second, found.recall && found.loss);
    recall(drawRecall(state, text, width), text.recallLabel(said(state, "recall")));
    loss(drawLoss(state, text, width), text.lossLabel(said(state, "loss")));
    const seeds = Math.max(
      0,
      ...Object.values(curves).map(({ loss, recall }) => [...loss, ...recall][0]?.length),
    );
    const read = buckets.at(-1)?.[1];
    const stretched = read && state.group !== "alibi";
    setText(note, text.seeds(seeds) + (stretched ? text.needed(trained, read) : ""));
  });
  const captions = [text.recall, text.loss];
  return topicPanel(
    figure,
    "measured",
    first,
    second,
    h("div", { class: "fw-row fw-controls" }, group.element),
    h(
      "div",
      { class: "fw-figure" },
      ...places.flatMap((place, i) => [h("div", { class: "fw-caption" }, captions[i]), place]),
      note,
    ),
  );
}

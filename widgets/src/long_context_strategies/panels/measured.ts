// What trained models do: loss by position, recall by distance.
import { choice } from "../../base/controls";
import { h } from "../../base/dom";
import { picture } from "../../base/shapes";
import { conditions, drawLoss, drawRecall, mean } from "../drawings/measured";
import { drawingWidth, onTopic, topicPanel, type LongContextFigure } from "../figure";
import { GROUPS, type State } from "../state";

export function measured(figure: LongContextFigure): HTMLElement {
  const text = figure.text;
  const group = choice(
    text.group,
    GROUPS.map((name) => text.groups[name]),
    (i) => figure.set({ group: GROUPS[i] }),
  );
  const places = [0, 1].map(() => h("div", { class: "fw-drawing" }));
  const [loss, recall] = places.map(picture);
  const said = (state: State, what: "loss" | "recall"): string =>
    conditions(state)
      .map((name) => {
        const means = state.data.curves[name][what].map((row) => mean(row).toFixed(2));
        return `${text.curves[name] ?? name} ${means.join(" ")}`;
      })
      .join("; ");
  onTopic(figure, "measured", (state) => {
    const width = drawingWidth(figure);
    group.set(GROUPS.indexOf(state.group));
    loss(drawLoss(state, text, width), text.lossLabel(said(state, "loss")));
    recall(drawRecall(state, text, width), text.recallLabel(said(state, "recall")));
  });
  const captions = [text.loss, text.recall];
  return topicPanel(
    figure,
    "measured",
    h("div", { class: "fw-row fw-controls" }, group.element),
    h(
      "div",
      { class: "fw-figure" },
      h("p", { class: "fw-source" }, text.seeds),
      ...places.flatMap((place, i) => [h("div", { class: "fw-caption" }, captions[i]), place]),
    ),
  );
}

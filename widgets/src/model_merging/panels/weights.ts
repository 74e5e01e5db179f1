// The three weights, how long the experts were trained, and whether the embedding is merged.
import { check, choice, range } from "../../base/controls";
import { h } from "../../base/dom";
import { setWeights, shownWeight, type MergingFigure } from "../figure";
import { HIGHEST, LOWEST, STEP } from "../state";

export function weightSliders(figure: MergingFigure): HTMLElement {
  const { text, data } = figure;
  const sliders = data.tasks.map((task, at) =>
    range(text.weightOf(text.tasks[task]), { min: LOWEST, max: HIGHEST, step: STEP }, (value) =>
      setWeights(figure, { [at]: value }),
    ),
  );
  figure.on(({ how, plane }) => {
    sliders.forEach((slider, at) => {
      slider.set(how.weights[at], shownWeight(how.weights[at]));
      // An arc has two ends.
      slider.element.toggleAttribute("data-idle", how.rule === "nuslerp" && at === plane.third);
    });
  });
  return h("div", { class: "fw-sliders" }, ...sliders.map(({ element }) => element));
}

export function experts(figure: MergingFigure): HTMLElement {
  const { text, data } = figure;
  const steps = choice(text.steps, data.trained.map(text.stepCount), (i) =>
    figure.set({ steps: data.trained[i] }),
  );
  const embedding = check(text.embedding, (on) => figure.set({ embedding: on }));
  figure.on(({ how, length }) => {
    steps.set(length);
    embedding.set(how.embedding);
  });
  return h("div", { class: "fw-row fw-trained" }, steps.element, embedding.element);
}

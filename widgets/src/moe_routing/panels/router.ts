// Settings of the router.
import { button, check, range } from "../../base/controls";
import { h } from "../../base/dom";
import { traitsOf } from "../../base/traits";
import type { RoutingFigure } from "../figure";
import { STAGES } from "../state";

const CAPACITIES = [0, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4];

export function router(figure: RoutingFigure): HTMLElement {
  const text = figure.text;
  const { experts } = figure.data;
  const topK = range(text.topK, { min: 1, max: experts, step: 1 }, (k) => figure.set({ top_k: k }));
  const temperature = range(text.temperature, { min: 0.1, max: 4, step: 0.1 }, (t) =>
    figure.set({ temperature: Math.round(t * 10) / 10 }),
  );
  const capacity = range(text.capacity, { min: 0, max: CAPACITIES.length - 1, step: 1 }, (i) =>
    figure.set({ capacity_factor: CAPACITIES[i] }),
  );
  const renormalize = check(text.renormalize, (on) => figure.set({ renormalize: on }));
  const priority = check(text.priority, (on) => figure.set({ priority: on }));
  const first = traitsOf(figure.model, [
    "run",
    "step",
    "layer",
    "top_k",
    "temperature",
    "capacity_factor",
    "renormalize",
    "priority",
  ]);
  const reset = button(text.reset, () => figure.set({ ...first, selected_expert: -1, stage: STAGES - 1 }));
  figure.on(({ options, routing }) => {
    topK.set(options.topK, String(options.topK));
    temperature.set(options.temperature, options.temperature.toFixed(1));
    const nearest = CAPACITIES.reduce((a, b) =>
      Math.abs(b - options.capacityFactor) < Math.abs(a - options.capacityFactor) ? b : a,
    );
    capacity.set(
      CAPACITIES.indexOf(nearest),
      routing.capacity === null
        ? text.dropless
        : text.capacityText(String(options.capacityFactor), routing.capacity),
    );
    renormalize.set(options.renormalize);
    priority.set(options.priority ?? false);
  });
  return h(
    "div",
    { class: "fw-row fw-controls fw-router" },
    topK.element,
    temperature.element,
    capacity.element,
    priority.element,
    renormalize.element,
    reset,
  );
}

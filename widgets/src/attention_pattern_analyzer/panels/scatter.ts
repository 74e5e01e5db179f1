// All heads in a plane of two of their numbers, with a brush.
import { button, select } from "../../base/controls";
import type { Plot } from "../../base/chart";
import { h, setText } from "../../base/dom";
import { picture } from "../../base/shapes";
import { drawScatter, extent } from "../draw";
import type { HeadsFigure } from "../figure";
import { METRICS } from "../patterns";
import type { Head } from "../reading";
import { dimmed, type State } from "../state";

/** Part of an axis that a pointer crosses before it draws a box: less is a click. */
const DRAG = 0.02;

/** A box that is drawn with the pointer, and a click on a head's mark. */
function followPointer(figure: HeadsFigure, place: HTMLElement, plot: () => Plot): void {
  const { signal } = figure;
  const valueAt = (event: PointerEvent): [number, number] => {
    const { drawing, px, py } = plot();
    const box = (place.firstElementChild ?? place).getBoundingClientRect();
    const shrunk = box.width / Number(drawing.attributes.width) || 1;
    return [px.invert((event.clientX - box.left) / shrunk), py.invert((event.clientY - box.top) / shrunk)];
  };
  let start: [number, number] | null = null;
  place.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      start = valueAt(event);
      place.setPointerCapture(event.pointerId);
    },
    { signal },
  );
  place.addEventListener(
    "pointermove",
    (event) => {
      if (!start) return;
      const [now, from] = [valueAt(event), start];
      const [low, high] = extent(figure.state.reading.heads, figure.state.x);
      if (Math.abs(now[0] - from[0]) < DRAG * (high - low)) return;
      figure.set({ brush: [0, 1].flatMap((i) => [Math.min(now[i], from[i]), Math.max(now[i], from[i])]) });
    },
    { signal },
  );
  place.addEventListener(
    "pointerup",
    (event) => {
      const from = start;
      start = null;
      if (from && valueAt(event).some((value, i) => Math.abs(value - from[i]) > DRAG)) return;
      const mark = document
        .elementsFromPoint(event.clientX, event.clientY)
        .find((el) => el instanceof SVGElement && el.dataset.head && place.contains(el));
      if (!(mark instanceof SVGElement) || !mark.dataset.head) return;
      const [layer, head] = mark.dataset.head.split(".").map(Number);
      figure.set({ layer, head });
    },
    { signal },
  );
}

/** The brush as four numbers. */
function boundInputs(figure: HeadsFigure): HTMLElement[] {
  return figure.text.brushBounds.map((name, i) => {
    const input = h("input", { type: "number", step: 0.05, class: "fw-bound" });
    input.addEventListener("change", () => {
      const { reading, brush, x, y } = figure.state;
      const whole = [...extent(reading.heads, x), ...extent(reading.heads, y)];
      const next = [...(brush.length ? brush : whole)];
      next[i] = Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : whole[i];
      figure.set({ brush: next });
    });
    figure.on(({ brush }) => {
      const value = brush.length ? brush[i].toFixed(2) : "";
      if (input !== document.activeElement && input.value !== value) input.value = value;
    });
    return h("label", { class: "fw-control" }, h("span", {}, name), input);
  });
}

const pointOf = ({ metrics }: Head, { x, y }: State): string =>
  [x, y].map((one) => metrics[METRICS.indexOf(one)].toFixed(2)).join(", ");

export function scatter(figure: HeadsFigure): HTMLElement {
  const text = figure.text;
  const names = METRICS.map((metric) => text.metrics[metric]);
  const x = select(text.xAxis, names, (i) => figure.set({ brush: [], x_metric: METRICS[i] }));
  const y = select(text.yAxis, names, (i) => figure.set({ brush: [], y_metric: METRICS[i] }));
  const place = h("div", { class: "fw-drawing fw-scatter" });
  const draw = picture(place);
  const status = h("span", { class: "fw-line" });
  const clear = button(text.clear, () => figure.set({ brush: [] }));
  const drawn = (state: State): Plot =>
    drawScatter(state, text, Math.max(260, Math.min(560, (figure.width || 600) - 50)));
  let plot = drawn(figure.state);
  followPointer(figure, place, () => plot);
  figure.on((state) => {
    x.set(METRICS.indexOf(state.x));
    y.set(METRICS.indexOf(state.y));
    const { heads } = state.reading;
    const inside = heads.filter((one) => !dimmed(state, one)).length;
    const said =
      heads.length > 40
        ? text.brushed(inside, heads.length)
        : heads.map((one) => `${one.layer}.${one.head} (${pointOf(one, state)})`).join("; ");
    plot = drawn(state);
    draw(plot.drawing, text.scatterLabel(said));
    setText(status, state.brush.length ? text.brushed(inside, heads.length) : text.brushHint);
    clear.disabled = !state.brush.length;
  });
  return h(
    "div",
    { class: "fw-panel" },
    h("div", { class: "fw-row" }, h("span", { class: "fw-caption" }, text.scatter), x.element, y.element),
    place,
    h("div", { class: "fw-row" }, status, ...boundInputs(figure), clear),
  );
}

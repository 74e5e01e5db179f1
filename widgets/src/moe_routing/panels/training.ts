// Run, step and layer of the training, and how the balance loss went.
import { choice, range } from "../../base/controls";
import { h } from "../../base/dom";
import { player } from "../../base/player";
import { picture } from "../../base/shapes";
import { drawHistory, history } from "../drawings/history";
import type { RoutingFigure } from "../figure";

export function training(figure: RoutingFigure): HTMLElement {
  const { snapshots, layers } = figure.data;
  const text = figure.text;
  const row = h("div", { class: "fw-row fw-controls" });
  const runs = [...new Set(snapshots.map((frame) => frame.run))];
  const stepsOf = (run: string): number[] =>
    snapshots
      .filter((frame) => frame.run === run)
      .map((frame) => frame.step)
      .sort((a, b) => a - b);
  if (runs.length > 1) {
    const run = choice(
      text.run,
      runs.map((name) => text.runs[name] ?? name),
      (i) => figure.set({ run: runs[i] }),
    );
    figure.on((state) => run.set(runs.indexOf(snapshots[state.snapshot].run)));
    row.append(run.element);
  }
  if (snapshots.length > 1) {
    const current = (): string => snapshots[figure.state.snapshot].run;
    const step = range(text.step, { min: 0, max: stepsOf(current()).length - 1, step: 1 }, (i) =>
      figure.set({ step: stepsOf(current())[i] }),
    );
    figure.on((state) => {
      const frame = snapshots[state.snapshot];
      const steps = stepsOf(frame.run);
      step.set(
        steps.indexOf(frame.step),
        text.stepText(frame.step, frame.val_loss ?? null),
        steps.length - 1,
      );
    });
    const steps = (): number[] => stepsOf(current());
    step.element.append(
      player({
        text,
        signal: figure.signal,
        every: 900,
        now: () => steps().indexOf(snapshots[figure.state.snapshot].step),
        last: () => steps().length - 1,
        show: (i) => figure.set({ step: steps()[i] }),
      }),
    );
    row.append(step.element, historyBox(figure));
  }
  if (layers > 1) {
    if (layers <= 8) {
      const layer = choice(
        text.layer,
        Array.from({ length: layers }, (_, i) => String(i)),
        (i) => figure.set({ layer: i }),
      );
      figure.on((state) => layer.set(state.layer));
      row.append(layer.element);
    } else {
      const layer = range(text.layer, { min: 0, max: layers - 1, step: 1 }, (i) => figure.set({ layer: i }));
      figure.on((state) => layer.set(state.layer, String(state.layer)));
      row.append(layer.element);
    }
  }
  return row;
}

function historyBox(figure: RoutingFigure): HTMLElement {
  const place = h("div", { class: "fw-history" });
  const box = h(
    "div",
    { class: "fw-history-box" },
    h("div", { class: "fw-caption" }, figure.text.history),
    place,
  );
  const paint = picture(place);
  let key = "";
  let lines: ReturnType<typeof history> = [];
  figure.on((state) => {
    const next = JSON.stringify([state.layer, state.options]);
    if (next !== key) lines = history(state);
    key = next;
    const drawing = drawHistory(state, lines, 230);
    const said = lines
      .map(({ run, steps, losses }) => {
        const points = steps.map((step, i) => `${step}: ${losses[i].toFixed(2)}`);
        return `${figure.text.runs[run] ?? run} ${points.join(", ")}`;
      })
      .join("; ");
    paint(drawing, figure.text.historyLabel(said));
  });
  return box;
}

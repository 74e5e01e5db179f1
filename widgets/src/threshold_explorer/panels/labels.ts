// One threshold for each label: what each alone misses and blocks.
import { button, check, range } from "../../base/controls";
import { h, setText } from "../../base/dom";
import { fold } from "../../base/fold";
import { labelLevel, shownLevel, STEP, type ThresholdFigure } from "../figure";
import { HIGHEST, LOWEST, NEVER } from "../decisions";
import { byLabel, ratesOf, type State } from "../state";

/** The label that alone misses the largest share of its own sentences; null where none has any. */
export function worst(state: State): { label: number; missed: number; of: number } | null {
  const found = state.data.labels
    .map((_, label) => {
      const { missed, harmful } = byLabel(state, label);
      return { label, missed, of: harmful };
    })
    .filter(({ of }) => of > 0);
  return found.length ? found.reduce((a, b) => (b.missed / b.of > a.missed / a.of ? b : a)) : null;
}

export function labelsFold(figure: ThresholdFigure): HTMLElement {
  const { text, data } = figure;
  return fold(figure, {
    name: "labels",
    title: text.labelsTitle,
    headline: (state: State) => {
      const { missed, harmful, blocked, harmless } = ratesOf(state, state.part);
      const together = text.counts(missed, harmful, blocked, harmless);
      const same = state.shifts.every((shift) => !shift);
      const found = worst(state);
      const most = found ? text.worst(text.labels[data.labels[found.label]], found.missed, found.of) : "";
      return same ? text.oneThreshold(shownLevel(state.level), most) : text.ownThresholds(together);
    },
    build: (on) => {
      const rows = data.labels.map((name, at) => {
        const slider = range(text.labels[name], { min: LOWEST, max: HIGHEST, step: STEP }, (level) => {
          const shift = level >= HIGHEST ? NEVER : Number((level - figure.state.level).toFixed(4));
          figure.set({ shifts: figure.state.shifts.map((old, i) => (i === at ? shift : old)) });
        });
        const words = h("span", { class: "fw-note" });
        return { slider, words, element: h("li", {}, slider.element, words) };
      });
      const calibrated = check(text.calibrated, (yes) => figure.set({ calibrated: yes }));
      const same = button(text.sameForAll, () => figure.set({ shifts: data.labels.map(() => 0) }));
      on((state) => {
        rows.forEach(({ slider, words }, at) => {
          const level = labelLevel(state, at);
          slider.set(level ?? HIGHEST, level === null ? text.never : shownLevel(level));
          const { missed, harmful, blocked, harmless } = byLabel(state, at);
          setText(
            words,
            harmful ? text.counts(missed, harmful, blocked, harmless) : text.onlyBlocked(blocked, harmless),
          );
        });
        calibrated.set(state.calibrated);
      });
      return [
        h("p", { class: "fw-note" }, text.labelsNote),
        h("ul", { class: "fw-labels" }, ...rows.map(({ element }) => element)),
        h("div", { class: "fw-row" }, calibrated.element, same),
        h("p", { class: "fw-note" }, text.calibratedNote),
      ];
    },
  });
}

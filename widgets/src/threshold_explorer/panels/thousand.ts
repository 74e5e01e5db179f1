// A thousand sentences with as many harmful ones as the reader says: what is blocked, and what of it rightly.
import { range, type Range } from "../../base/controls";
import { h, setText } from "../../base/dom";
import { fold } from "../../base/fold";
import { picture, sheet, svg } from "../../base/shapes";
import { mark, RIGHT, WRONG } from "../draw";
import { percent, type ThresholdFigure } from "../figure";
import { thousand, type Thousand } from "../decisions";
import { ratesOf, type State } from "../state";

/** Shares of harmful sentences that the slider has. */
const PREVALENCES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
const COLUMNS = 50;
const SENTENCES = 1000;

/** Which of a slider's values is nearest, by their ratio. */
export const nearest = (values: readonly number[], value: number): number => {
  const far = values.map((one) => Math.abs(Math.log(one / value)));
  return far.indexOf(Math.min(...far));
};

export function prevalenceSlider(figure: ThresholdFigure): Range {
  return range(figure.text.prevalence, { min: 0, max: PREVALENCES.length - 1, step: 1 }, (place) =>
    figure.set({ prevalence: PREVALENCES[place] }),
  );
}

export const showPrevalence = (slider: Range, { prevalence }: State): void =>
  slider.set(nearest(PREVALENCES, prevalence), percent(prevalence));

/** The four fates in the order in which they are drawn: what is blocked comes first. */
const FATES = [
  { name: "caught", harmful: true, fill: RIGHT },
  { name: "blocked", harmful: false, fill: WRONG },
  { name: "missed", harmful: true, fill: WRONG },
  { name: "passed", harmful: false, fill: "var(--fw-line)" },
] as const;

export function of(state: State): Thousand | null {
  return thousand(ratesOf(state, state.part), state.prevalence);
}

export function thousandFold(figure: ThresholdFigure): HTMLElement {
  const { text } = figure;
  return fold(figure, {
    name: "thousand",
    title: text.thousandTitle,
    headline: (state: State) => {
      const found = of(state);
      return found ? text.thousand(found) : text.noHarmful;
    },
    build: (on) => {
      const slider = prevalenceSlider(figure);
      const board = h("div", { class: "fw-drawing" });
      const paint = picture(board);
      const keys = FATES.map(({ name, harmful, fill }) => {
        const sign = h("span", { class: "fw-key-sign", "aria-hidden": "true" });
        const key = picture(sign);
        key(sheet(12, 12, svg("path", { d: mark(harmful, 6, 6, 4), fill })), "");
        const words = h("span");
        return { name, words, element: h("li", {}, sign, words) };
      });
      const list = h("ul", { class: "fw-keys" }, ...keys.map(({ element }) => element));
      on((state) => {
        showPrevalence(slider, state);
        const found = of(state);
        board.hidden = list.hidden = found === null;
        if (!found) return;
        for (const { name, words } of keys) setText(words, text.fates[name](found[name]));
        const width = Math.min(560, Math.max(260, figure.root.clientWidth - 26 || 560));
        const step = width / COLUMNS;
        const rows = Math.ceil(SENTENCES / COLUMNS);
        let next = 0;
        const paths = FATES.map(({ name, harmful, fill }) => {
          const marks = Array.from({ length: found[name] }, () => {
            const [column, row] = [Math.floor(next / rows), next++ % rows];
            return mark(harmful, (column + 0.5) * step, (row + 0.5) * step, step * (harmful ? 0.42 : 0.3));
          });
          return svg("path", { d: marks.join("") || "M0 0", fill });
        });
        paint(sheet(width, rows * step, ...paths), text.thousand(found));
      });
      return [h("div", { class: "fw-row" }, slider.element), board, list];
    },
  });
}

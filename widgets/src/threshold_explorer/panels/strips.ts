// The sentences on the axis of their scores, under a threshold that is dragged or set by the slider below.
import { range } from "../../base/controls";
import { h, setText } from "../../base/dom";
import { dragged } from "../../base/handle";
import { picture, sheet } from "../../base/shapes";
import { across, drawStrips, HEIGHT, levelAt, SIDE, stripsSaid } from "../draw";
import { setLevel, shownLevel, STEP, type ThresholdFigure } from "../figure";
import { HIGHEST, LOWEST, type Rates } from "../decisions";
import type { State } from "../state";

const LARGEST = 460;
/** Half of the slider's thumb, by which it is longer than the axis. */
const THUMB = 8;

export function strips(figure: ThresholdFigure): HTMLElement {
  const { text, signal } = figure;
  const caption = h("p", { class: "fw-caption" });
  const board = h("div", { class: "fw-board" });
  const paint = picture(board);
  const slider = range(text.threshold, { min: LOWEST, max: HIGHEST, step: STEP }, (level) =>
    setLevel(figure, level),
  );
  slider.element.classList.add("fw-axis");
  const input = slider.element.querySelector("input")!;
  const width = (): number => Math.min(LARGEST, Math.max(260, figure.width || LARGEST));
  const snapped = (level: number): number => Math.round(level / STEP) * STEP;
  dragged(board, { target: input }, (x) => setLevel(figure, snapped(levelAt(width(), x))), signal);
  const counts = ({ harmful, missed, harmless, blocked }: Rates): string =>
    text.counts(missed, harmful, blocked, harmless);
  const side = (words: string): HTMLElement => h("span", { class: "fw-note" }, words);
  slider.element.prepend(side(`← ${text.letThrough}`));
  slider.element.append(side(`${text.block} →`));
  figure.on((state: State) => {
    setText(caption, text.strips(text.filters[state.filter]));
    const size = width();
    paint(sheet(size, HEIGHT, ...drawStrips(state, text, size)), stripsSaid(text, state, counts));
    board.style.width = `${size}px`;
    board.style.height = `${HEIGHT}px`;
    const [from, to] = [LOWEST, HIGHEST].map((level) => across(size, level));
    input.style.width = `${to - from + 2 * THUMB}px`;
    input.style.marginLeft = `${SIDE - THUMB}px`;
    slider.element.style.width = `${size}px`;
    slider.set(state.level, shownLevel(state.level));
  });
  return h("div", { class: "fw-strips" }, caption, board, slider.element);
}

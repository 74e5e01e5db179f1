// One head: its matrix, with the tokens beside it, and another reading's below.
import { choice, range } from "../../base/controls";
import { h, setAttribute, setText } from "../../base/dom";
import { textWidth } from "../../base/text";
import { WEIGHTINGS } from "../choices";
import { difference, inkOf, paint, type Matrix } from "../draw";
import { matrixShown, titleOf, type HeadsFigure, type Place } from "../figure";
import { matrixOf, missing } from "../matrices";
import { headOf, type Reading } from "../reading";
import type { State } from "../state";

/** Tokens whose names still fit beside the matrix, and the most room that they get, in ems. */
const NAMED = 48;
const NAME = 5;

/** Names of the rows, beside the matrix. */
function rowNames(box: HTMLElement): { element: HTMLElement; set(state: State): void } {
  const element = h("div", { class: "fw-axis", "aria-hidden": "true" });
  return {
    element,
    set: ({ reading, token }) => {
      const { length } = reading.weights;
      element.hidden = length > NAMED;
      element.style.setProperty("--fw-rows", String(length));
      if (element.hidden) return;
      if (element.dataset.of !== reading.name) {
        element.dataset.of = reading.name;
        element.replaceChildren(...reading.labels.map((name) => h("span", {}, name)));
        const longest = Math.max(...reading.labels.map((name) => textWidth(name, 1)));
        box.style.setProperty("--fw-names", String(Math.min(NAME, longest)));
      }
      [...element.children].forEach((name, t) => name.classList.toggle("fw-now", t === token));
    },
  };
}

/** The same head of the other reading, where the two cannot be subtracted. */
function otherHead(figure: HeadsFigure): {
  elements: HTMLElement[];
  set(other: Reading | null, at: Place): void;
} {
  const { text } = figure;
  const caption = h("div", { class: "fw-caption" });
  const canvas = h("canvas", { class: "fw-heat", role: "img" });
  return {
    elements: [caption, canvas],
    set: (other, at) => {
      canvas.hidden = caption.hidden = !other;
      if (!other) return;
      const { length, size, layers, heads } = other.weights;
      const [layer, head] = [Math.min(at.layer, layers - 1), Math.min(at.head, heads - 1)];
      const { weighting, residual } = figure.state;
      const kind = text.kinds[headOf(other, layer, head).kind];
      const name = `${titleOf(figure, other)} · ${text.headName(layer, head)} · ${kind}`;
      setText(caption, name);
      setAttribute(canvas, "aria-label", text.heat(name, text.weightings[weighting], length));
      canvas.style.setProperty("--fw-ratio", `${size} / ${length}`);
      if (!figure.root.isConnected) return;
      paint(canvas, matrixOf(other, layer, head, weighting, residual), length, size, inkOf(figure.root));
    },
  };
}

/** How a matrix is weighted, with what a reading lacks switched off. */
function weightingControls(figure: HeadsFigure): HTMLElement {
  const { text } = figure;
  const weighting = choice(
    text.weighting,
    WEIGHTINGS.map((one) => text.weightings[one]),
    (i) => figure.set({ weighting: WEIGHTINGS[i] }),
  );
  const residual = range(text.residual, { min: 0, max: 1, step: 0.05 }, (value) =>
    figure.set({ residual: value }),
  );
  figure.on((state) => {
    weighting.set(WEIGHTINGS.indexOf(state.weighting));
    weighting.element.querySelectorAll("input").forEach((input, i) => {
      const why = missing(WEIGHTINGS[i], state.reading);
      input.disabled = why !== null;
      input.closest("label")!.title = why ? text.missing[why] : "";
    });
    residual.set(state.residual, state.residual.toFixed(2));
    residual.element.hidden = state.weighting !== "rollout";
  });
  return h("div", { class: "fw-row" }, weighting.element, residual.element);
}

/** The line that reads the cell under the pointer, and the token that a click chooses. */
function readCells(figure: HeadsFigure, canvas: HTMLCanvasElement, drawn: () => Matrix): HTMLElement {
  const { text, signal } = figure;
  const line = h("p", { class: "fw-line" }, text.hover);
  const cellAt = (event: MouseEvent): { t: number; s: number } => {
    const { length, size } = figure.state.reading.weights;
    const box = canvas.getBoundingClientRect();
    const cell = (at: number, room: number, count: number): number =>
      Math.min(count - 1, Math.max(0, Math.floor((at / room) * count)));
    return {
      t: cell(event.clientY - box.top, box.height, length),
      s: cell(event.clientX - box.left, box.width, size),
    };
  };
  canvas.addEventListener(
    "pointermove",
    (event) => {
      const { t, s } = cellAt(event);
      const { labels, keyLabels, weights } = figure.state.reading;
      const value = drawn()[t * weights.size + s].toFixed(3);
      setText(line, text.cell(`${t} ${labels[t]}`, `${s} ${keyLabels[s]}`, value));
    },
    { signal },
  );
  canvas.addEventListener("pointerleave", () => setText(line, text.hover), { signal });
  canvas.addEventListener(
    "click",
    (event) => {
      const { t, s } = cellAt(event);
      const { from, reading } = figure.state;
      figure.set({ token: from ? t : Math.min(s, reading.tokens.length - 1) });
    },
    { signal },
  );
  return line;
}

export interface Focus {
  element: HTMLElement;
  /** Show a head until null comes, without choosing it. */
  preview(at: Place | null): void;
}

export function focus(figure: HeadsFigure): Focus {
  const { text } = figure;
  let previewed: Place | null = null;
  let drawn: Matrix = [];
  const caption = h("div", { class: "fw-caption" });
  const canvas = h("canvas", { class: "fw-heat", role: "img" });
  const box = h("div", { class: "fw-heat-box" }, canvas);
  const names = rowNames(box);
  box.append(names.element);
  const readout = readCells(figure, canvas, () => drawn);
  const note = h("p", { class: "fw-line" });
  const other = otherHead(figure);

  const show = (state: State): void => {
    const { reading, versus } = state;
    const { length, size, layers, heads } = reading.weights;
    const at = previewed && previewed.layer < layers && previewed.head < heads ? previewed : state;
    const name = text.headName(at.layer, at.head);
    const gap = difference(state, at.layer, at.head);
    drawn = gap ?? matrixShown(state, at);
    const kind = text.kinds[headOf(reading, at.layer, at.head).kind];
    setText(caption, `${name} · ${kind}${previewed ? text.preview : ""}`);
    const minus = gap && versus ? text.heatDifference(name, titleOf(figure, versus)) : "";
    setAttribute(canvas, "aria-label", minus || text.heat(name, text.weightings[state.weighting], length));
    canvas.style.setProperty("--fw-ratio", `${size} / ${length}`);
    if (figure.root.isConnected) paint(canvas, drawn, length, size, inkOf(figure.root));
    names.set(state);
    const apart = gap ? null : versus;
    other.set(apart, at);
    setText(note, apart ? text.versusNone : minus);
    note.hidden = !note.textContent;
  };
  figure.on(show);
  return {
    element: h(
      "div",
      { class: "fw-panel fw-focus" },
      caption,
      box,
      readout,
      note,
      ...other.elements,
      weightingControls(figure),
    ),
    preview: (at) => {
      previewed = at;
      show(figure.state);
    },
  };
}

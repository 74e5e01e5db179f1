// The plane under the pointer: press or drag to a place, or move the point with the arrow keys.
import { choice } from "../../base/controls";
import { h, setText } from "../../base/dom";
import { handle } from "../../base/handle";
import { picture, sheet } from "../../base/shapes";
import { colour, drawPlane, place, range, surface } from "../draw";
import { setWeights, shownWeight, type MergingFigure } from "../figure";
import { PLANES, STEP, type State } from "../state";

/** Largest plane, in pixels. */
const LARGEST = 400;

function sizeOf(figure: MergingFigure): number {
  return Math.min(LARGEST, Math.max(260, figure.width || LARGEST));
}

/** The drawing without the reader's point: what must differ for it to be drawn again. */
function drawnFor({ how, length, plane }: State, size: number): string {
  const average = how.rule === "average" ? how.weights : [];
  const inGrid = how.rule === "sum" || how.rule === "average";
  return [size, length, how.embedding, plane.x, plane.y, how.weights[plane.third], inGrid, ...average].join();
}

export function planePanel(figure: MergingFigure): HTMLElement {
  const { text, data, signal } = figure;
  const name = (task: number): string => text.tasks[data.tasks[task]];
  const board = h("div", { class: "fw-board" });
  const paint = picture(board);
  const caption = h("p", { class: "fw-caption" });
  const fixed = h("p", { class: "fw-note" });
  const [least, most] = [h("span"), h("span")];
  const legend = h("p", { class: "fw-scale" }, least, h("i", { "aria-hidden": "true" }), most);
  const stops = Array.from({ length: 9 }, (_, i) => colour(i / 8)).join(",");
  legend.style.setProperty("--fw-colours", `linear-gradient(90deg, ${stops})`);
  const axes = choice(
    text.axes,
    PLANES.map(({ x, y }) => text.planeName(name(x), name(y))),
    (i) => figure.set({ plane: i }),
  );

  const point = handle(
    board,
    text.handleRole,
    {
      to: (left, top) => {
        const [x, y] = place(sizeOf(figure)).weightAt(left, top);
        const { plane } = figure.state;
        setWeights(figure, { [plane.x]: x, [plane.y]: y });
      },
      step: (x, y) => {
        const { plane, how } = figure.state;
        setWeights(figure, {
          [plane.x]: how.weights[plane.x] + STEP * x,
          [plane.y]: how.weights[plane.y] + STEP * y,
        });
      },
    },
    signal,
  );

  let drawn = "";
  figure.on((state) => {
    const { plane, how } = state;
    const size = sizeOf(figure);
    const [x, y] = [name(plane.x), name(plane.y)];
    setText(caption, text.plane(text.expert(x), text.expert(y)));
    const third = text.fixed(text.expert(name(plane.third)), shownWeight(how.weights[plane.third]));
    const other = how.rule === "sum" || how.rule === "average" ? "" : ` · ${text.otherRule}`;
    setText(fixed, third + other);
    axes.set(PLANES.indexOf(plane));
    const next = drawnFor(state, size);
    if (next !== drawn) {
      drawn = next;
      const { best, worst } = surface(state);
      const said = text.planeLabel(
        text.expert(x),
        text.expert(y),
        text.bestAt(Math.round(best.right), shownWeight(best.x), shownWeight(best.y)),
        text.worstAt(Math.round(worst.right)),
      );
      paint(sheet(size, size, ...drawPlane(state, text, size)), said);
      const [low, high] = range(state).map(Math.round);
      setText(least, `${text.legend} ${low}`);
      setText(most, String(high));
      board.style.width = `${size}px`;
      board.style.height = `${size}px`;
    }
    const at = place(size);
    const weight = (task: number): string => shownWeight(how.weights[task]);
    const said = text.handle(x, weight(plane.x), y, weight(plane.y));
    point.set(at.x(how.weights[plane.x]), at.y(how.weights[plane.y]), said);
  });
  return h("div", { class: "fw-plane" }, caption, board, fixed, legend, axes.element);
}

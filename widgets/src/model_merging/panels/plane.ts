// The plane under the pointer: press or drag to a place, or move the point with the arrow keys.
import { choice } from "../../base/controls";
import { h, setAttribute, setText } from "../../base/dom";
import { picture, sheet } from "../../base/shapes";
import { colour, drawPlane, place, range, surface } from "../draw";
import { setWeights, shownWeight, type MergingFigure } from "../figure";
import { PLANES, STEP, type State } from "../state";

/** Largest plane, in pixels. */
const LARGEST = 400;
/** Steps of an arrow key with Shift. */
const FAR = 5;

const MOVES: Record<string, [x: number, y: number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowDown: [0, -1],
  ArrowUp: [0, 1],
};

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
  const handle = h("button", {
    type: "button",
    class: "fw-handle",
    "aria-roledescription": text.handleRole,
  });
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

  const moveTo = (event: PointerEvent): void => {
    const box = board.getBoundingClientRect();
    const [x, y] = place(sizeOf(figure)).weightAt(event.clientX - box.left, event.clientY - box.top);
    const { plane } = figure.state;
    setWeights(figure, { [plane.x]: x, [plane.y]: y });
  };
  // On glass a tap moves the point and its handle drags it; elsewhere a thumb scrolls the page.
  let dragging = false;
  const end = (): void => {
    dragging = false;
  };
  board.addEventListener(
    "pointerdown",
    (event) => {
      const onHandle = event.target === handle;
      if (event.button !== 0 || (event.pointerType === "touch" && !onHandle)) return;
      dragging = true;
      board.setPointerCapture?.(event.pointerId);
      if (!onHandle) moveTo(event);
      handle.focus({ preventScroll: true });
      event.preventDefault();
    },
    { signal },
  );
  board.addEventListener("pointermove", (event) => dragging && moveTo(event), { signal });
  board.addEventListener("pointerup", end, { signal });
  board.addEventListener("pointercancel", end, { signal });
  board.addEventListener(
    "click",
    (event) => {
      if (event.target !== handle && (event as PointerEvent).pointerType === "touch")
        moveTo(event as PointerEvent);
    },
    { signal },
  );
  handle.addEventListener(
    "keydown",
    (event) => {
      const move = MOVES[event.key];
      if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
      const { plane, how } = figure.state;
      const step = STEP * (event.shiftKey ? FAR : 1);
      setWeights(figure, {
        [plane.x]: how.weights[plane.x] + step * move[0],
        [plane.y]: how.weights[plane.y] + step * move[1],
      });
      event.preventDefault();
      event.stopPropagation(); // notebooks have shortcuts of their own on these keys
    },
    { signal },
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
    handle.style.left = `${at.x(how.weights[plane.x])}px`;
    handle.style.top = `${at.y(how.weights[plane.y])}px`;
    const weight = (task: number): string => shownWeight(how.weights[task]);
    setAttribute(handle, "aria-label", text.handle(x, weight(plane.x), y, weight(plane.y)));
  });
  board.append(handle);
  return h("div", { class: "fw-plane" }, caption, board, fixed, legend, axes.element);
}

// A point on a drawing that the reader moves: pressed or dragged to a place, or with the arrow keys.
import { h, setAttribute } from "./dom";

/** Steps of an arrow key with Shift. */
const FAR = 5;

const MOVES: Record<string, [x: number, y: number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowDown: [0, -1],
  ArrowUp: [0, 1],
};

/**
 * Call back with places in the board, in pixels from its corner. `target` gets the focus. On glass a tap is a
 * place and only what is dragged by `grip` moves; elsewhere a thumb scrolls the page.
 */
export function dragged(
  board: HTMLElement,
  { target, grip }: { target: HTMLElement; grip?: HTMLElement },
  moveTo: (x: number, y: number) => void,
  signal: AbortSignal,
): void {
  const move = (event: MouseEvent): void => {
    const box = board.getBoundingClientRect();
    moveTo(event.clientX - box.left, event.clientY - box.top);
  };
  let dragging = false;
  const end = (): void => {
    dragging = false;
  };
  board.addEventListener(
    "pointerdown",
    (event) => {
      const onGrip = grip !== undefined && event.target === grip;
      if (event.button !== 0 || (event.pointerType === "touch" && !onGrip)) return;
      dragging = true;
      board.setPointerCapture?.(event.pointerId);
      if (!onGrip) move(event);
      target.focus({ preventScroll: true });
      event.preventDefault();
    },
    { signal },
  );
  board.addEventListener("pointermove", (event) => dragging && move(event), { signal });
  board.addEventListener("pointerup", end, { signal });
  board.addEventListener("pointercancel", end, { signal });
  board.addEventListener(
    "click",
    (event) => {
      if (event.target !== grip && (event as PointerEvent).pointerType === "touch") move(event);
    },
    { signal },
  );
}

export interface Handle {
  element: HTMLButtonElement;
  /** Where it is, in pixels, and what it is called there. */
  set(x: number, y: number, said: string): void;
}

/** The point itself, a ring over the drawing; `step` gets the steps of an arrow key, to the right and up. */
export function handle(
  board: HTMLElement,
  role: string,
  moves: { to(x: number, y: number): void; step(x: number, y: number): void },
  signal: AbortSignal,
): Handle {
  const element = h("button", { type: "button", class: "fw-handle", "aria-roledescription": role });
  dragged(board, { target: element, grip: element }, moves.to, signal);
  element.addEventListener(
    "keydown",
    (event) => {
      const move = MOVES[event.key];
      if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
      const far = event.shiftKey ? FAR : 1;
      moves.step(far * move[0], far * move[1]);
      event.preventDefault();
      event.stopPropagation(); // notebooks have shortcuts of their own on these keys
    },
    { signal },
  );
  board.append(element);
  return {
    element,
    set: (x, y, said) => {
      element.style.left = `${x}px`;
      element.style.top = `${y}px`;
      setAttribute(element, "aria-label", said);
    },
  };
}

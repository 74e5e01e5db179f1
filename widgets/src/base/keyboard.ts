// A set of options is one stop of the Tab key; arrows move inside it (WAI-ARIA's roving tabindex).

export interface Roving {
  items(): HTMLElement[];
  /** The focus went to this item: select it. */
  move(index: number): void;
  /** Enter or Space. */
  activate(index: number): void;
  /** Escape. */
  release(): void;
  /** First items of the segments that Page Up and Page Down jump between. */
  segments?(): number[];
  signal: AbortSignal;
}

/** The item that Tab reaches; the others are reached with arrows. */
export function setTabStop(items: readonly HTMLElement[], index: number): void {
  items.forEach((item, i) => {
    const value = i === index ? 0 : -1;
    if (item.tabIndex !== value) item.tabIndex = value;
  });
}

/**
 * The item in the row above (-1) or below (1) that lies nearest to `from`; `from` itself where there is none.
 */
export function nearestInRow(items: readonly HTMLElement[], from: number, direction: -1 | 1): number {
  const here = items[from].getBoundingClientRect();
  const middle = here.left + here.width / 2;
  const ahead = items
    .map((item, index) => ({ index, box: item.getBoundingClientRect() }))
    .filter(({ box }) => (direction > 0 ? box.top >= here.bottom - 1 : box.bottom <= here.top + 1));
  if (!ahead.length) return from;
  const row =
    direction > 0
      ? Math.min(...ahead.map(({ box }) => box.top))
      : Math.max(...ahead.map(({ box }) => box.top));
  const distance = (box: DOMRect): number => Math.abs(box.left + box.width / 2 - middle);
  return ahead
    .filter(({ box }) => Math.abs(box.top - row) < 4)
    .reduce((best, next) => (distance(next.box) < distance(best.box) ? next : best)).index;
}

export function roving(container: HTMLElement, options: Roving): void {
  const target = (key: string, current: number, items: HTMLElement[]): number | null => {
    const last = items.length - 1;
    const starts = options.segments?.() ?? [];
    switch (key) {
      case "ArrowRight":
        return Math.min(last, current + 1);
      case "ArrowLeft":
        return Math.max(0, current - 1);
      case "ArrowDown":
        return nearestInRow(items, current, 1);
      case "ArrowUp":
        return nearestInRow(items, current, -1);
      case "Home":
        return 0;
      case "End":
        return last;
      case "PageDown":
        return starts.find((start) => start > current) ?? last;
      case "PageUp":
        return starts.filter((start) => start < current).at(-1) ?? 0;
      default:
        return null;
    }
  };
  container.addEventListener(
    "keydown",
    (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const items = options.items();
      const current = items.indexOf(document.activeElement as HTMLElement);
      if (current < 0) return;
      if (event.key === "Enter" || event.key === " ") options.activate(current);
      else if (event.key === "Escape") options.release();
      else {
        const index = target(event.key, current, items);
        if (index === null) return;
        setTabStop(items, index);
        items[index].focus();
        options.move(index);
      }
      event.preventDefault();
      event.stopPropagation(); // notebooks have shortcuts of their own on these keys
    },
    { signal: options.signal },
  );
}

const OWN_KEYS = new Set([
  "ArrowLeft",
  "ArrowRight",
  "ArrowUp",
  "ArrowDown",
  "Home",
  "End",
  "PageUp",
  "PageDown",
  "Enter",
  " ",
]);

/**
 * Sliders, choices and buttons use these keys themselves;
 * JupyterLab would take them for its own shortcuts and stop them.
 */
export function keepKeys(root: HTMLElement, signal: AbortSignal): void {
  root.addEventListener(
    "keydown",
    (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (OWN_KEYS.has(event.key)) event.stopPropagation();
    },
    { signal },
  );
}

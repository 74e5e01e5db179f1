// A row of chips of which the reader picks one: one stop of the Tab key, arrows inside, a click anywhere on a
// chip. What a chip shows is its figure's; it carries its place as data-token.
import { roving } from "./keyboard";

export interface Chips {
  items(): HTMLElement[];
  pick(index: number): void;
  /** Enter or Space; otherwise as `pick`. */
  activate?(index: number): void;
  /** Escape. */
  release?(): void;
  /** First chips of the segments that Page Up and Page Down jump between. */
  segments?(): number[];
  signal: AbortSignal;
}

/** Give a list of chips its keys and clicks. */
export function makePickable(list: HTMLElement, options: Chips): void {
  const { pick, signal } = options;
  list.addEventListener(
    "click",
    (event) => {
      const chip = (event.target as Element).closest<HTMLElement>("[data-token]");
      if (chip) pick(Number(chip.dataset.token));
    },
    { signal },
  );
  roving(list, {
    items: () => options.items(),
    move: pick,
    activate: options.activate ?? pick,
    release: () => options.release?.(),
    segments: options.segments,
    signal,
  });
}

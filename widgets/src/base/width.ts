// How much room a drawing has.

/** Calls back with the width of an element whenever it changes, until the signal aborts. */
export function followWidth(el: Element, changed: (width: number) => void, signal: AbortSignal): void {
  let known = 0;
  const resized = new ResizeObserver(() => {
    const width = el.clientWidth;
    if (!width || width === known) return;
    known = width;
    changed(width);
  });
  resized.observe(el);
  signal.addEventListener("abort", () => resized.disconnect());
}

/**
 * A place that moves sideways where it is narrower than its content; only then is it a stop for the keyboard.
 */
export function scrollStop(place: HTMLElement, signal: AbortSignal): void {
  followWidth(
    place,
    (width) => {
      if (place.scrollWidth > width) place.tabIndex = 0;
      else place.removeAttribute("tabindex");
    },
    signal,
  );
}

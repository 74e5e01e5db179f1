// Work that waits until its place comes near to what the reader sees.

/** Screens above and below the one that is seen within which a place counts as near. */
const MARGIN = "100%";

/** Do the work once: when `el` is near, the page is printed, or at once where the browser cannot tell. */
export function whenNear(el: Element, work: () => void, signal: AbortSignal): void {
  if (typeof IntersectionObserver === "undefined") {
    work();
    return;
  }
  const once = new AbortController();
  const begin = (): void => {
    if (once.signal.aborted) return;
    once.abort();
    work();
  };
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) begin();
    },
    { rootMargin: MARGIN },
  );
  observer.observe(el);
  addEventListener("beforeprint", begin, { signal: once.signal });
  once.signal.addEventListener("abort", () => observer.disconnect());
  signal.addEventListener("abort", () => once.abort(), { signal: once.signal });
}

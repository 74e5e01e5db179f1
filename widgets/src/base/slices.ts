// Long work in short slices, so that the page answers in between.

/** Milliseconds that a slice takes at most, as far as its pieces are short. */
export const SLICE = 12;

/** Hand the thread back to the page: events and painting come first. */
const breathe = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/**
 * Run work that yields between its pieces, a slice at a time: another piece is begun only if the longest so
 * far would still fit. Null where the signal aborts before the end.
 */
export async function inSlices<Result>(
  work: Generator<void, Result>,
  signal: AbortSignal,
  now: () => number = () => performance.now(),
): Promise<Result | null> {
  let longest = 0;
  for (;;) {
    const start = now();
    let before = start;
    do {
      const piece = work.next();
      if (piece.done) return piece.value;
      const after = now();
      longest = Math.max(longest, after - before);
      before = after;
    } while (before - start + longest < SLICE);
    await breathe();
    if (signal.aborted) return null;
  }
}

// What jsdom lacks of a browser, and how long a view takes to draw.
import { vi } from "vitest";

/** jsdom has neither; both only tell sizes and preferences, here that of ``still`` pictures. */
export function standIns(still = false): void {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe(): void {}
      disconnect(): void {}
    },
  );
  vi.stubGlobal("matchMedia", () => ({ matches: still, addEventListener: () => undefined }));
}

/** Until a view has drawn what was set. */
export const settle = (): Promise<void> =>
  new Promise((resolve) => queueMicrotask(() => queueMicrotask(resolve)));

// A play button that goes through positions one by one, to the last; with reduced motion at once.
import { button } from "./controls";
import { setText } from "./dom";
import { reducedMotion } from "./motion";

export interface Player {
  text: { play: string; pause: string };
  signal: AbortSignal;
  /** The position that is shown, and the last one, from 0. */
  now(): number;
  last(): number;
  show(position: number): void;
  /** Milliseconds between two positions. */
  every: number;
}

export function player({ text, signal, now, last, show, every }: Player): HTMLButtonElement {
  let timer: ReturnType<typeof setInterval> | undefined;
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
    setText(play, `▶ ${text.play}`);
  };
  const play = button(`▶ ${text.play}`, () => {
    if (timer !== undefined) return stop();
    if (reducedMotion()) return show(last());
    let next = now() >= last() ? 0 : now() + 1;
    show(next);
    setText(play, `❚❚ ${text.pause}`);
    timer = setInterval(() => {
      if (++next > last()) return stop();
      show(next);
    }, every);
  });
  signal.addEventListener("abort", () => clearInterval(timer));
  return play;
}

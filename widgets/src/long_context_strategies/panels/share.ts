// The buttons beside the downloads: a link to what is shown, and back to the beginning.
import { button } from "../../base/controls";
import { setText } from "../../base/dom";
import { copyText } from "../../base/save";
import { shareAddress } from "../address";
import type { LongContextFigure } from "../figure";
import { INITIAL } from "../state";

/** Milliseconds for which the button itself says what became of the link. */
const SAID = 2500;

export function shareButtons(figure: LongContextFigure): HTMLElement[] {
  const { text, root, model, live, signal } = figure;
  let back: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(back));
  const share = button(text.share, async () => {
    const copied = await copyText(shareAddress(root, model));
    const said = copied ? text.copied : text.inAddress;
    live.say(said);
    setText(share, said);
    clearTimeout(back);
    back = setTimeout(() => setText(share, text.share), SAID);
  });
  const reset = button(text.reset, () => figure.set({ ...INITIAL, topic: figure.state.topic }));
  return [share, reset];
}

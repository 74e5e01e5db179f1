// The buttons beside the downloads: a link to what is shown, and back to the beginning.
import { button } from "../../base/controls";
import { copyText } from "../../base/save";
import { shareAddress } from "../address";
import type { LongContextFigure } from "../figure";
import { INITIAL } from "../state";

export function shareButtons(figure: LongContextFigure): HTMLElement[] {
  const { text, root, model, live } = figure;
  return [
    button(text.share, async () => {
      const copied = await copyText(shareAddress(root, model));
      live.say(copied ? text.copied : text.inAddress);
    }),
    button(text.reset, () => figure.set({ ...INITIAL, topic: figure.state.topic })),
  ];
}

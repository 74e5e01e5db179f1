// "Measure it again here": the button of a card, its progress, and the new points on the line.
import { h, setText } from "../base/dom";
import { addScript } from "../base/scripts";
import { addPoints } from "./line";
import { meanOf } from "./statistics";
import type { Strings } from "./strings";

/** As frontier-measures.js offers it. */
export type Measuring = (
  name: string,
  seed: number,
  read: (done: number, count: number) => Promise<void>,
) => Promise<number[]>;

/** The heavy script, added when it is first needed. */
export async function loadMeasuring(): Promise<Measuring> {
  const page = window as { frontierMeasure?: Measuring; frontierStatic?: string };
  if (!page.frontierMeasure) await addScript("frontier-measures.js", page.frontierStatic);
  if (!page.frontierMeasure) throw new Error("frontier-measures.js");
  return page.frontierMeasure;
}

/** Numbers of every press by claim; a card that is opened again still shows them. */
const measured = new Map<string, number[][]>();

const freshSeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0];

/** Lets the page draw, scroll and close the card between two inputs. */
const breath = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/**
 * What a card offers below its note.
 *
 * @param line - the note's `.claim-line`, which names the claim and what is drawn afresh.
 * @param signal - aborted when the card is closed: a measurement ends with it.
 */
export function againPart(
  line: HTMLElement,
  text: Strings,
  signal: AbortSignal,
  load: () => Promise<Measuring> = loadMeasuring,
): HTMLElement | null {
  const { claim: name, fresh } = line.dataset;
  if (!name || !fresh) return null;
  const digits = Number(line.dataset.digits);
  const svg = line.querySelector<SVGElement>("svg");
  const button = h("button", { type: "button", class: "claim-again-button" }, text.again);
  const bar = h("progress", { class: "claim-again-progress", value: 0, max: 1, "aria-label": text.again });
  const status = h("p", { class: "claim-again-status", role: "status" });
  bar.hidden = true;

  const show = (): void => {
    const presses = measured.get(name) ?? [];
    if (!presses.length) return;
    const last = presses[presses.length - 1];
    const all = meanOf(presses.flat());
    const print = (x: number): string => x.toFixed(digits);
    if (svg)
      addPoints(
        svg,
        presses.map((numbers) => meanOf(numbers).value),
        all,
      );
    const said = [
      text.one(print(meanOf(last).value), last.length),
      text.all(print(all.value), print(all.low), print(all.high), presses.flat().length),
    ];
    setText(status, said.join(text.between));
    setText(button, text.more);
  };

  const run = async (): Promise<void> => {
    button.setAttribute("aria-disabled", "true");
    bar.hidden = false;
    bar.removeAttribute("value");
    setText(status, text.loading);
    try {
      const measuring = await load();
      const numbers = await measuring(name, freshSeed(), async (done, count) => {
        bar.value = done / count;
        if (done === 1) setText(status, "");
        bar.setAttribute("aria-valuetext", text.progress(done, count));
        await breath();
        signal.throwIfAborted();
      });
      measured.set(name, [...(measured.get(name) ?? []), numbers]);
      show();
    } catch (error) {
      if (!signal.aborted)
        setText(status, text.failed(error instanceof Error ? error.message : String(error)));
    }
    bar.hidden = true;
    button.removeAttribute("aria-disabled");
  };
  button.addEventListener("click", () => {
    if (!button.hasAttribute("aria-disabled")) void run();
  });
  show();
  return h(
    "div",
    { class: "claim-again" },
    h("p", { class: "claim-fresh" }, h("strong", {}, text.fresh), fresh),
    button,
    bar,
    status,
  );
}

// Experts on several devices: who waits, and what is sent.
import { choice } from "../../base/controls";
import { h } from "../../base/dom";
import { number } from "../../base/figure";
import type { RoutingFigure } from "../figure";
import { expertParallel } from "../math";
import type { State } from "../state";
import { folded, scrolling } from "./folded";

/** Bytes of a token on its way: 4096 numbers, the width of Mixtral-8x7B, in bfloat16. */
const VECTOR = 2 * 4096;

export function parallel(figure: RoutingFigure): HTMLElement[] {
  const text = figure.text.parallel;
  const { experts } = figure.data;
  const sizes = [1, 2, 4, 8, 16, 32, 64].filter((n) => n <= experts && experts % n === 0);
  return sizes.length < 2 ? [] : [folded(figure, text.title, () => parallelTable(figure, sizes))];
}

function parallelTable(figure: RoutingFigure, sizes: number[]): HTMLElement[] {
  const text = figure.text.parallel;
  const { experts } = figure.data;
  let chosen = Math.min(2, sizes.length - 1);
  const body = h("tbody");
  const said = h("p", { class: "fw-line" });
  const devices = choice(text.devices, sizes.map(String), (i) => {
    chosen = i;
    show(figure.state);
  });
  const show = ({ routing }: State): void => {
    devices.set(chosen);
    const found = expertParallel(routing, sizes[chosen]);
    const most = Math.max(...found.load, 1);
    const each = experts / sizes[chosen];
    body.replaceChildren(
      ...Array.from(found.load, (load, d) => {
        const bar = h("span", { class: "fw-next-bar", "aria-hidden": "true" });
        bar.style.setProperty("--v", String(load / most));
        const held = each > 1 ? `E${d * each}–E${(d + 1) * each - 1}` : `E${d}`;
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, String(d)),
          h("td", {}, held),
          h("td", { class: "fw-wide" }, bar),
          h("td", {}, number(load, 0)),
          h("td", {}, number(found.sent[d], 0)),
          h(
            "td",
            {},
            h(
              "data",
              { value: 2 * VECTOR * found.sent[d] },
              ((2 * VECTOR * found.sent[d]) / 1024).toFixed(0),
            ),
          ),
        );
      }),
    );
    said.replaceChildren(text.straggler, " ", number(found.straggler, 2, "straggler"), text.wait);
  };
  figure.on(show);
  const table = h(
    "table",
    {},
    h("caption", { class: "fw-hidden" }, text.title),
    h("thead", {}, h("tr", {}, ...text.columns.map((column) => h("th", { scope: "col" }, column)))),
    body,
  );
  return [
    h("div", { class: "fw-row" }, devices.element),
    said,
    scrolling(figure, text.title, table),
    h("p", { class: "fw-line" }, text.note),
  ];
}

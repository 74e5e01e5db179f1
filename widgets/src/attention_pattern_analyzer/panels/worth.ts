// What a head is worth: measured on the book's texts, and on the reader's sentence.
import { check, choice } from "../../base/controls";
import { h } from "../../base/dom";
import { number } from "../../base/figure";
import { nextTokens, readingOf, shownIds } from "../../reader/sentence_panel";
import { REMOVALS } from "../choices";
import type { HeadsFigure } from "../figure";
import { ablationOf } from "../reading";

const CANDIDATES = 5;

export function worth(figure: HeadsFigure): HTMLElement {
  const text = figure.text;
  const lines = h("div", {});
  const removal = choice(
    text.removal,
    REMOVALS.map((one) => text.removals[one]),
    (i) => figure.set({ removal: REMOVALS[i] }),
  );
  const off = check(text.off, (on) => figure.set({ off: on }));
  const live = h("div", { class: "fw-next" });
  const panel = h(
    "div",
    { class: "fw-panel fw-worth" },
    h("div", { class: "fw-caption" }, text.worth),
    lines,
    h("div", { class: "fw-row" }, removal.element, off.element),
    live,
  );
  let key = "";
  figure.on((state) => {
    const typed = readingOf(figure.model);
    removal.set(REMOVALS.indexOf(state.removal));
    off.set(state.off);
    off.element.hidden = !typed;
    lines.replaceChildren(
      ...REMOVALS.flatMap((one) => {
        const change = ablationOf(state.reading, state.layer, state.head, one);
        if (!change) return [];
        const divergence = change.divergence.toFixed(3);
        return [
          h(
            "p",
            { class: "fw-line", "data-removal": one },
            Number.isFinite(change.loss)
              ? text.worthLoss(text.removals[one], change.loss.toFixed(3), divergence)
              : text.worthDivergence(text.removals[one], divergence),
          ),
        ];
      }),
    );
    if (!lines.childElementCount && !typed) lines.append(h("p", { class: "fw-line" }, text.worthUnknown));
    live.hidden = !typed || !state.off;
    const { layer, head, removal: kind, token } = state;
    const next = typed && state.off ? JSON.stringify([typed.sentence, layer, head, kind, token]) : "";
    if (next === key) return;
    key = next;
    if (!typed || !next) return;
    const { model, pass } = typed;
    const without = model.forward(pass.ids, { layer, head, kind });
    const [before, after] = [model.loss(pass), model.loss(without)];
    live.replaceChildren(
      ...(pass.ids.length > 1
        ? [
            h(
              "p",
              { class: "fw-line" },
              text.offResult(before.toFixed(3), after.toFixed(3)),
              number(after - before, 3, "off"),
              text.offEnd,
            ),
          ]
        : []),
      h("p", { class: "fw-line" }, text.offNext(shownIds(pass, model)[token])),
      nextTokens(without, model, token, CANDIDATES, figure.language),
    );
  });
  return panel;
}

// What a head is worth: measured on the book's texts, and on the reader's sentence.
import { check, choice } from "../../base/controls";
import { h } from "../../base/dom";
import { number } from "../../base/figure";
import { softmax } from "../../reader/arithmetic";
import { classBars, classifiedOf, type Classified } from "../../reader/classifier_panel";
import { nextTokens, readingOf, shownIds, type Reading } from "../../reader/sentence_panel";
import { REMOVALS } from "../choices";
import type { HeadsFigure } from "../figure";
import { ablationOf } from "../reading";
import type { State } from "../state";

const CANDIDATES = 5;

/** The sentence's loss without the head under study, and what the causal model then expects. */
function withoutOfCausal(figure: HeadsFigure, { model, pass }: Reading, state: State): HTMLElement[] {
  const { text, language } = figure;
  const { layer, head, removal: kind, token } = state;
  const without = model.forward(pass.ids, { layer, head, kind });
  const next = [
    h("p", { class: "fw-line" }, text.offNext(shownIds(pass, model)[token])),
    nextTokens(without, model, token, CANDIDATES, language),
  ];
  if (pass.ids.length < 2) return next;
  const [before, after] = [model.loss(pass), model.loss(without)];
  const said = text.offResult(before.toFixed(3), after.toFixed(3));
  return [h("p", { class: "fw-line" }, said, number(after - before, 3, "off"), text.offEnd), ...next];
}

/** The classes without the head under study, and how far they moved. */
function withoutOfClassifier(figure: HeadsFigure, { model, pass }: Classified, state: State): HTMLElement[] {
  const { layer, head, removal: kind } = state;
  const without = model.forward(pass.ids, { layer, head, kind });
  const [before, after] = [softmax(pass.logits), softmax(without.logits)];
  const divergence = before.reduce((sum, p, i) => sum + p * Math.log(p / after[i]), 0);
  return [
    h("p", { class: "fw-line" }, figure.text.offClasses, number(divergence, 3, "off"), figure.text.offEnd),
    classBars(model, without, figure.language),
  ];
}

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
    const typed = readingOf(figure.model) ?? classifiedOf(figure.model);
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
    const causal = readingOf(figure.model);
    const classified = classifiedOf(figure.model);
    live.replaceChildren(
      ...(causal ? withoutOfCausal(figure, causal, state) : []),
      ...(classified ? withoutOfClassifier(figure, classified, state) : []),
    );
  });
  return panel;
}

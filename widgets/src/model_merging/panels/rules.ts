// Another rule, one click away: what it does, and what it comes to beside the sum.
import { choice, range } from "../../base/controls";
import { h, setText } from "../../base/dom";
import { fold } from "../../base/fold";
import { counted, type MergingFigure } from "../figure";
import { sum } from "../landscape";
import { RULES } from "../rules";
import type { State } from "../state";

export function rules(figure: MergingFigure): HTMLElement {
  const { text, data } = figure;
  const headline = ({ how, scores, length }: State): string => {
    const rule = text.rules[how.rule];
    if (how.rule === "sum" || !scores) return text.ruleNow(rule);
    const against = data.landscape.estimate(length, how.embedding, how.weights);
    return text.ruleAgainst(
      rule,
      counted(figure, sum(scores.right), scores.kind === "exact"),
      counted(figure, sum(against.right), data.landscape.isNode(how.weights)),
    );
  };
  return fold(figure, {
    name: "rules",
    title: text.rulesTitle,
    headline,
    build: (on) => {
      const rule = choice(
        text.rule,
        RULES.map((name) => text.rules[name]),
        (i) => figure.set({ rule: RULES[i] }),
      );
      const density = range(text.density, { min: 0.05, max: 1, step: 0.05 }, (value) =>
        figure.set({ density: value }),
      );
      const seed = range(text.seed, { min: 0, max: 9, step: 1 }, (value) => figure.set({ seed: value }));
      const words = h("p", { class: "fw-note fw-rule-words" });
      on(({ how }) => {
        rule.set(RULES.indexOf(how.rule));
        density.set(how.density, how.density.toFixed(2));
        seed.set(how.seed, String(how.seed));
        density.element.hidden = how.rule !== "ties" && how.rule !== "dare";
        seed.element.hidden = how.rule !== "dare";
        setText(words, text.ruleWords[how.rule]);
      });
      return [
        h("div", { class: "fw-row" }, rule.element),
        words,
        h("div", { class: "fw-row fw-rule-settings" }, density.element, seed.element),
      ];
    },
  });
}

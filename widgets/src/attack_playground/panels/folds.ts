// What is one click away: all sentences, the order of the words, other attacks, the linear model as a whole.
import { button, choice } from "../../base/controls";
import { h, setText } from "../../base/dom";
import { fold } from "../../base/fold";
import { picture } from "../../base/shapes";
import { dataTable } from "../../base/table";
import { ahead, at, NAMES } from "../curves";
import { drawCertified, drawCurves, drawDifference } from "../draw";
import { range, shown, signed, type PlaygroundFigure } from "../figure";
import { ORDERS } from "../race";
import type { State } from "../state";
import { wordTable } from "../tables";
import { SENSES } from "../vocabulary";

/** Widest drawing of all sentences. */
const WIDEST = 680;
const wide = (figure: PlaygroundFigure): number => Math.min(WIDEST, Math.max(280, figure.width || 640));

/** All sentences: what each attack leaves after so many queries, and how far the two are apart. */
export function everySentence(figure: PlaygroundFigure): HTMLElement {
  const { text, data } = figure;
  const { curves } = data;
  const last = curves.left.random.length - 1;
  return fold(figure, {
    name: "all",
    title: text.folds.all,
    headline: ({ queries, order }) => {
      const asked = Math.min(queries, last);
      const { by, greedy } = at(curves, asked, order);
      if (!asked) return text.general.none(curves.sentences, curves.models, shown(greedy, 3));
      return text.folds.allFinding(asked, text.general[ahead(by)](signed(by[0]), range(by)));
    },
    build: (on) => {
      const places = [0, 1].map(() => h("div", { class: "fw-drawing" }));
      const [all, difference] = places.map(picture);
      on(({ queries }) => {
        const words = NAMES.map((name) => {
          const values = curves.left[name].filter((_, i) => i % 5 === 0);
          return `${text[name]}: ${values.map((value) => shown(value, 3)).join(" ")}`;
        });
        all(drawCurves(text, curves, queries, wide(figure)), text.folds.allLabel(words.join("; ")));
        const by = curves.difference.greedy.filter((_, i) => i % 5 === 0);
        const rows = by.map((one) => `${signed(one[0])} ${range(one)}`);
        difference(
          drawDifference(text, curves, queries, wide(figure)),
          `${text.folds.difference}: ${rows.join("; ")}`,
        );
      });
      const caption = h("div", { class: "fw-caption" }, text.folds.difference);
      return [
        places[0],
        caption,
        places[1],
        h("p", { class: "fw-note" }, text.folds.allNote(curves.chapters)),
      ];
    },
  });
}

/** The word of the largest value, and that value's place. */
function top(values: readonly (number | null)[]): number {
  return values.reduce<number>(
    (best, value, i) => (value !== null && (best < 0 || value > (values[best] ?? -Infinity)) ? i : best),
    -1,
  );
}

/** Whether the words whose deletion matters are those whose swap does. */
export function importance(figure: PlaygroundFigure): HTMLElement {
  const { text, data } = figure;
  const { order, few } = data.curves;
  return fold(figure, {
    name: "words",
    title: text.folds.words,
    headline: ({ words, of }) => {
      if (!words || !of) return text.waiting;
      const swappable = words.map(({ importance: value }, i) => (of.options.has(i) ? value : null));
      const [deleted, swapped] = [top(swappable), top(words.map(({ swap }) => swap))];
      if (deleted < 0 || swapped < 0) return text.folds.wordsNone;
      const word = (i: number): string => `“${of.words[i].replace(/[^A-Za-z']/g, "")}”`;
      return text.folds.wordsFinding(word(deleted), word(swapped));
    },
    build: (on) => {
      const place = h("div");
      on((state) => place.replaceChildren(...wordTable(figure, state, true).map(dataTable)));
      const [caption, columns] = [text.folds.few.caption, text.folds.few.columns];
      const rows = few.map(([changes, greedy, shuffled, by]) => [
        String(changes),
        shown(greedy, 3),
        shown(shuffled, 3),
        signed(by[0]),
        range(by),
      ]);
      return [
        place,
        h(
          "p",
          { class: "fw-note" },
          text.folds.wordsNote(shown(order[0], 3), range(order), shown(few[0][3][0], 3), range(few[0][3])),
        ),
        dataTable({ caption, columns, rows }),
      ];
    },
  });
}

/** Other orders, other synonyms, other draws. */
export function rules(figure: PlaygroundFigure): HTMLElement {
  const { text, data } = figure;
  const { strict, loose } = data.curves.judged;
  return fold(figure, {
    name: "rules",
    title: text.folds.rules,
    headline: ({ order, senses }) => text.folds.rulesFinding(text.orders[order], text.sensesNames[senses]),
    build: (on) => {
      const order = choice(
        `${text.greedy} · ${text.order}`,
        ORDERS.map((name) => text.orders[name]),
        (i) => figure.set({ order: ORDERS[i] }),
      );
      const senses = choice(
        text.senses,
        SENSES.map((name) => text.sensesNames[name]),
        (i) => figure.set({ senses: SENSES[i], swaps: {}, changes: 0 }),
      );
      const seed = h("span", { class: "fw-note" });
      const again = button(text.again, () => figure.set({ seed: (figure.state.seed + 1) % 100 }));
      on((state: State) => {
        order.set(ORDERS.indexOf(state.order));
        senses.set(SENSES.indexOf(state.senses));
        setText(seed, text.seed(state.seed));
      });
      return [
        h("div", { class: "fw-row" }, order.element, senses.element, again, seed),
        h("p", { class: "fw-note" }, text.folds.rulesNote(strict, loose)),
      ];
    },
  });
}

/** The linear model on all sentences. */
export function certificates(figure: PlaygroundFigure): HTMLElement {
  const { text, data } = figure;
  const { certified } = data.curves;
  return fold(figure, {
    name: "linear",
    title: text.folds.linear,
    headline: () => {
      const [none, one, two] = certified.map(([value]) => shown(value, 3));
      return text.folds.linearFinding(none, one, two);
    },
    build: (on) => {
      const place = h("div", { class: "fw-drawing" });
      const paint = picture(place);
      on(() => {
        const words = certified.map((one) => `${shown(one[0], 3)} ${range(one)}`).join("; ");
        paint(drawCertified(text, certified, wide(figure)), text.folds.linearLabel(words));
      });
      return [place, h("p", { class: "fw-note" }, text.folds.linearNote)];
    },
  });
}

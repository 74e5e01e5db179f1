// The verse: an example or the reader's own, its words as chips, and what may stand for the chosen one.
import { button, choice, select, textField } from "../../base/controls";
import { makePickable } from "../../base/chips";
import { h, setAttribute, setText, uniqueId } from "../../base/dom";
import { setTabStop } from "../../base/keyboard";
import { bars } from "../../reader/bars";
import { className } from "../../reader/class_names";
import { classOf } from "../attack";
import { nameOf, shown, type PlaygroundFigure } from "../figure";
import type { State } from "../state";

const PAUSE = 200;
/** Letters of a verse in the list of examples. */
const BEGINNING = 34;

/** Choices that belong to a text, as they are for a new one. */
const FRESH = { swaps: {}, word: -1, changes: 0 };

/** The list of examples, and the field in which the verse is rewritten. */
export function textRow(figure: PlaygroundFigure): HTMLElement {
  const { text, data, signal, language } = figure;
  const names = data.examples.map(({ text: verse, label }) =>
    text.exampleName(className(language, data.labels[label]), `${verse.slice(0, BEGINNING)}…`),
  );
  const list = select(text.example, [...names, text.ownExample], (i) => {
    if (i < names.length) figure.set({ ...FRESH, example: i, sentence: "" });
    else input.focus();
  });
  const id = uniqueId("verse");
  const input = textField(
    { id, class: "fw-verse-input", hint: text.hint, maxlength: 300, keep: "verse" },
    signal,
  );
  setAttribute(input, "lang", "en");
  let waiting: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(waiting));
  const write = (): void => {
    const typed = input.value.trim();
    if (typed && typed !== figure.state.verse) figure.set({ ...FRESH, sentence: typed });
  };
  input.addEventListener(
    "input",
    () => {
      clearTimeout(waiting);
      waiting = setTimeout(write, PAUSE);
    },
    { signal },
  );
  input.addEventListener("change", write, { signal });
  figure.on(({ example, verse }) => {
    list.set(example < 0 ? names.length : example);
    if (document.activeElement !== input && input.value !== verse) input.value = verse;
  });
  return h(
    "div",
    { class: "fw-row fw-text" },
    list.element,
    h("div", { class: "fw-control fw-verse" }, h("label", { for: id }, text.sentence), input),
  );
}

/** How far a bar under a word reaches for a change of probability; most changes are small. */
const reach = (change: number): string => Math.min(1, Math.sqrt(Math.abs(change))).toFixed(3);

/** The words as chips; one is chosen. */
export function strip(figure: PlaygroundFigure): HTMLElement {
  const { text } = figure;
  const list = h("div", {
    class: "fw-words",
    role: "listbox",
    "aria-label": text.strip,
    "aria-orientation": "horizontal",
    lang: "en",
  });
  let chips: HTMLElement[] = [];
  let verse: string | null = null;
  const pick = (word: number): void => figure.set({ word });
  makePickable(list, { items: () => chips, pick, release: () => pick(-1), signal: figure.signal });
  figure.on((state) => {
    if (verse !== state.verse) {
      verse = state.verse;
      chips = verse
        .split(" ")
        .map((_, i) =>
          h(
            "div",
            { class: "fw-word", role: "option", "data-token": i },
            h("span", { class: "fw-token" }),
            h("span", { class: "fw-hidden", lang: figure.language === "zh" ? "zh-CN" : "en" }),
          ),
        );
      list.replaceChildren(...chips);
    }
    state.verse.split(" ").forEach((word, i) => show(chips[i], word, i, state));
    setTabStop(chips, Math.max(0, state.word));
  });
  const show = (
    chip: HTMLElement,
    word: string,
    i: number,
    { of, words, mine, word: chosen }: State,
  ): void => {
    const swapped = mine.swaps.get(i);
    const options = of?.options.get(i)?.length ?? 0;
    const importance = words?.[i]?.importance ?? 0;
    setText(chip.children[0], swapped ?? word);
    setText(chip.children[1], text.wordSaid(said(figure, importance), options, swapped ? word : ""));
    setAttribute(chip, "aria-selected", String(i === chosen));
    setAttribute(chip, "data-options", String(options));
    setAttribute(chip, "data-swapped", String(Boolean(swapped)));
    setAttribute(chip, "data-sign", importance < 0 ? "up" : "down");
    chip.style.setProperty("--v", reach(importance));
  };
  return list;
}

function said({ text }: PlaygroundFigure, change: number): string {
  return change < 0 ? text.rises(shown(-change)) : text.falls(shown(change));
}

/** What may stand for the chosen word. */
export function menu(figure: PlaygroundFigure): HTMLElement {
  const { text } = figure;
  const line = h("p", { class: "fw-note" });
  const place = h("div", { class: "fw-options" });
  const undo = button(text.undo, () => figure.set({ swaps: {} }));
  let built = "";
  let options: { set(index: number): void } | null = null;
  figure.on((state) => {
    const { word, of, words, mine } = state;
    const own = of?.words[word];
    const others = of?.options.get(word) ?? [];
    if (own === undefined) setText(line, text.pick);
    else {
      const importance = words ? text.wordLine(own, said(figure, words[word].importance)) : "";
      setText(line, others.length ? importance : `${importance}${text.noOptions}`);
    }
    const key = [state.verse, state.senses, word].join("|");
    if (built !== key) {
      built = key;
      const made = others.length
        ? choice(text.swapTo(own ?? ""), [own ?? "", ...others], (i) => {
            const swaps = new Map(figure.state.mine.swaps);
            if (i) swaps.set(word, others[i - 1]);
            else swaps.delete(word);
            figure.set({ swaps: Object.fromEntries(swaps) });
          })
        : null;
      options = made;
      place.replaceChildren(...(made ? [made.element] : []));
    }
    options?.set(others.indexOf(mine.swaps.get(word) ?? "") + 1);
    undo.hidden = !mine.swaps.size;
  });
  return h("div", { class: "fw-menu" }, line, h("div", { class: "fw-row" }, place, undo));
}

/** What the classifier says of the reader's text. */
export function reading(figure: PlaygroundFigure): HTMLElement {
  const { text, data } = figure;
  const caption = h("div", { class: "fw-caption" });
  const place = h("div", { class: "fw-next" });
  const line = h("p", { class: "fw-note fw-mine", role: "status" });
  let last: unknown = null;
  figure.on(({ mine, race }) => {
    setText(caption, text.mine(mine.queries));
    const { answer } = mine;
    if (answer && answer !== last) {
      last = answer;
      place.replaceChildren(bars(data.labels.map((_, i) => [nameOf(figure, i), answer[i]])));
    }
    place.classList.toggle("fw-stale", !answer);
    const now = answer ? classOf(answer) : -1;
    if (!answer || !race || !mine.swaps.size) setText(line, "");
    else if (now === race.label) setText(line, text.still(nameOf(figure, now)));
    else setText(line, text.turned(nameOf(figure, race.label), nameOf(figure, now)));
  });
  return h("div", { class: "fw-reading" }, caption, place, line);
}

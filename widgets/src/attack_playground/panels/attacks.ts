// The two attacks with equal queries, the linear model's bound beside them, and what the attacks hold.
import { range } from "../../base/controls";
import { h, setAttribute, setText } from "../../base/dom";
import { player } from "../../base/player";
import { picture } from "../../base/shapes";
import { sizeOf } from "../attack";
import { drawBound, drawRace, saidBound, saidRace } from "../draw";
import { bothSeen, classAt, nameOf, type PlaygroundFigure } from "../figure";
import { fewest, fewestGreedy } from "../linear";
import type { Seen, State } from "../state";

/** Milliseconds of a query where they are played. */
const EVERY = 260;
/** Widest drawing of one of the two charts, and the width above which the style sheet puts both in a row. */
const WIDEST = 520;
const BESIDE = 660;

/** How wide the two charts are: beside each other where there is room. */
export const chartWidth = (room: number): number =>
  Math.min(WIDEST, Math.max(280, room > BESIDE ? Math.floor((room - 24) / 2) : room));

export function controls(figure: PlaygroundFigure): HTMLElement {
  const { text, signal } = figure;
  const play = player({
    text,
    signal,
    now: () => figure.state.queries,
    last: () => figure.state.last,
    show: (queries) => figure.set({ queries }),
    every: EVERY,
  });
  const queries = range(text.queries, { min: 0, max: 12, step: 1 }, (value) =>
    figure.set({ queries: value }),
  );
  const changes = range(text.changes, { min: 1, max: 1, step: 1 }, (value) => figure.set({ changes: value }));
  figure.on(({ queries: now, last, of }) => {
    queries.set(now, text.queriesSaid(now, last), last);
    const most = Math.max(1, of?.options.size ?? 1);
    changes.set(of?.most ?? 1, text.changesSaid(of?.most ?? 1, most), most);
  });
  return h("div", { class: "fw-row fw-controls" }, play, queries.element, changes.element);
}

export function charts(figure: PlaygroundFigure): {
  element: HTMLElement;
  race: HTMLElement;
  bound: HTMLElement;
} {
  const { text } = figure;
  const places = [0, 1].map(() => h("div", { class: "fw-drawing" }));
  const [paintRace, paintBound] = places.map(picture);
  const caption = h("div", { class: "fw-caption" });
  const line = h("p", { class: "fw-note fw-bound-line" });
  figure.on((state) => {
    const width = chartWidth(figure.width);
    const { race, bound } = state;
    const stale = [!race, !bound];
    places.forEach((place, i) => place.classList.toggle("fw-stale", stale[i]));
    if (race) paintRace(drawRace(figure, state, race, width), text.raceLabel(saidRace(figure, race)));
    if (!bound) return;
    paintBound(drawBound(figure, state, bound, width), text.boundLabel(saidBound(figure, bound)));
    setText(caption, text.boundCaption(nameOf(figure, bound.label)));
    setText(line, boundLine(figure, state));
  });
  const race = h("div", { class: "fw-half" }, h("div", { class: "fw-caption" }, text.raceCaption), places[0]);
  const bound = h("div", { class: "fw-half" }, caption, places[1], line);
  return { element: h("div", { class: "fw-halves" }, race, bound), race, bound };
}

function boundLine({ text }: PlaygroundFigure, { bound, of }: State): string {
  if (!bound || !of?.options.size) return "";
  const least = fewest(bound);
  if (!least) return text.certified(of.options.size);
  const how = [...bound.worst[least].swaps].map(([at, word]) => text.swap(of.words[at], word)).join(", ");
  return text.broken(least - 1, least, how, fewestGreedy(bound));
}

/** A verse as an attack has it: what it swapped stands crossed out before what stands there now. */
function marked(words: readonly string[], swaps: ReadonlyMap<number, string>): (HTMLElement | string)[] {
  return words.flatMap((word, at) => {
    const other = swaps.get(at);
    return other === undefined ? [`${word} `] : [h("del", {}, word), " ", h("ins", {}, other), " "];
  });
}

/** What an attack holds after the queries that are shown. */
function card(figure: PlaygroundFigure, kind: "greedy" | "random"): HTMLElement {
  const { text } = figure;
  const title = h("div", { class: "fw-caption" });
  const verse = h("p", { class: "fw-verse-now", lang: "en" });
  const verdict = h("span", { class: "fw-verdict" });
  const reads = h("span");
  let drawn = "";
  const element = h(
    "div",
    { class: `fw-card fw-card-${kind}` },
    title,
    verse,
    h("p", { class: "fw-note" }, verdict, " ", reads),
  );
  figure.on((state) => {
    const both = bothSeen(state);
    element.classList.toggle("fw-stale", !both);
    if (!both || !state.of) return;
    const now: Seen = both[kind];
    setText(title, text.card(text[kind], now.used, now.swaps.size));
    const key = [state.verse, ...[...now.swaps].flat()].join("|");
    if (drawn !== key) {
      drawn = key;
      verse.replaceChildren(...marked(state.of.words, now.swaps));
    }
    const outcome = now.won ? "won" : now.over ? "over" : "open";
    const whole = kind === "random" && now.over && now.used === sizeOf(state.of) - 1;
    const words = whole ? text.exhausted(now.used) : text.verdict[outcome];
    setText(verdict, `${now.won ? "✗" : "○"} ${words}`);
    setAttribute(verdict, "data-outcome", outcome);
    setText(reads, text.reads(classAt(figure, state, now.swaps)));
  });
  return element;
}

export const cards = (figure: PlaygroundFigure): HTMLElement =>
  h("div", { class: "fw-halves fw-cards" }, card(figure, "greedy"), card(figure, "random"));

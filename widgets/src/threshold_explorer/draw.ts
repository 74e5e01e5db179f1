// Sentences on the axis of their scores, those of seen templates over those of another part; and the file.
import { label, sheet, svg, type Drawing, type Shape } from "../base/shapes";
import { textWidth } from "../base/text";
import { HIGHEST, LOWEST, reaches, type Rates } from "./decisions";
import { levelOf, ranked, ratesOf, type Part, type Ranked, type State } from "./state";
import type { Strings } from "./strings";

/** Room beside the axis; heights of a part's title, a row of counts, a band of sentences, and the axis. */
export const SIDE = 14;
const TITLE = 20;
const WORDS = 17;
const BAND = 46;
const PART = TITLE + 2 * WORDS + 2 * BAND;
const GAP = 8;
const AXIS = 20;
export const HEIGHT = 2 * PART + GAP + AXIS;

/** Probabilities that the axis names. */
const TICKS = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];
/** Half of a sentence's mark, and logits that share a pile. */
const HALF = 2.3;
const PILE = 0.25;

/** Right and wrong decisions, the same everywhere in the figure. */
export const RIGHT = "var(--fw-e0)";
export const WRONG = "var(--fw-e5)";

/** Where a logit is on an axis of a width, and back. */
export const across = (width: number, level: number): number =>
  SIDE + ((level - LOWEST) / (HIGHEST - LOWEST)) * (width - 2 * SIDE);

export const levelAt = (width: number, x: number): number =>
  LOWEST + ((x - SIDE) / (width - 2 * SIDE)) * (HIGHEST - LOWEST);

/** A square for what is harmful, a disc for what is not. */
export const mark = (harmful: boolean, x: number, y: number, half: number): string => {
  const [a, b] = [(x - half).toFixed(1), (harmful ? y - half : y).toFixed(1)];
  if (harmful) return `M${a} ${b}h${2 * half}v${2 * half}h${-2 * half}z`;
  return `M${a} ${b}a${half} ${half} 0 1 0 ${2 * half} 0a${half} ${half} 0 1 0 ${-2 * half} 0z`;
};

/** A band of sentences piled up from the middle line: paths of those that are let through and blocked. */
function band(
  { scores, harmful }: Ranked,
  which: boolean,
  level: number,
  width: number,
  middle: number,
): Shape[] {
  const piles = new Map<number, number>();
  const chosen = scores.flatMap((score, i) => (harmful[i] === which ? [score] : []));
  const places = chosen.map((score) => {
    const pile = Math.floor(score / PILE);
    const height = piles.get(pile) ?? 0;
    piles.set(pile, height + 1);
    return { score, height };
  });
  const most = Math.max(1, ...piles.values());
  const step = Math.min(2 * HALF + 0.4, (BAND - 2 * HALF - 2) / Math.max(1, most - 1));
  const paths = [false, true].map((blocked) =>
    places
      .filter(({ score }) => reaches(score, level) === blocked)
      .map(({ score, height }) => {
        const up = HALF + 2 + height * step;
        return mark(which, across(width, score), which ? middle - up : middle + up, HALF);
      })
      .join(""),
  );
  return paths.map((d, blocked) =>
    svg("path", { d: d || "M0 0", fill: Boolean(blocked) === which ? RIGHT : WRONG, "fill-opacity": 0.85 }),
  );
}

/** A count: bold, and in the colour of an error where it is one. */
function count(x: number, y: number, words: string, wrong: boolean, anchor: string): Shape {
  const look = wrong
    ? { fill: "var(--fw-bad)", "font-weight": 700 }
    : { fill: "var(--fw-soft)", "font-weight": 400 };
  return label(x, y, words, { "font-size": 12, "text-anchor": anchor, ...look });
}

function part(state: State, name: Part, text: Strings, width: number, top: number): Shape[] {
  const { level } = state;
  const found = ratesOf(state, name);
  const middle = top + TITLE + WORDS + BAND;
  const [left, right] = [SIDE, width - SIDE];
  const edge = width - 2;
  const line = across(width, level);
  const shown = ranked(state, name);
  const { harmful, missed, harmless, blocked } = found;
  return [
    label(0, top + 13, text.partTitle(name, harmful + harmless), { "font-size": 13, "font-weight": 600 }),
    svg("rect", {
      x: line,
      y: top + TITLE + WORDS,
      width: Math.max(0, right - line),
      height: 2 * BAND,
      fill: "var(--fw-mark)",
    }),
    svg("path", { d: `M${left} ${middle}H${right}`, stroke: "var(--fw-line)" }),
    ...band(shown, true, level, width, middle),
    ...band(shown, false, level, width, middle),
    ...(harmful
      ? [
          count(0, top + TITLE + 12, text.missed(missed, harmful), missed > 0, "start"),
          count(edge, top + TITLE + 12, text.caught(harmful - missed), false, "end"),
        ]
      : [count(0, top + TITLE + 12, text.noHarmful, false, "start")]),
    count(0, middle + BAND + 13, text.passed(harmless - blocked, harmless), false, "start"),
    count(edge, middle + BAND + 13, text.blocked(blocked), blocked > 0, "end"),
  ];
}

/** Both parts over the axis, and the line of the threshold. */
export function drawStrips(state: State, text: Strings, width: number): Shape[] {
  const line = across(width, state.level);
  const bottom = HEIGHT - AXIS;
  const low = PART + GAP;
  return [
    ...part(state, "seen", text, width, 0),
    ...part(state, state.part, text, width, low),
    ...[0, low].map((top) =>
      svg("path", {
        d: `M${line.toFixed(1)} ${top + TITLE + WORDS - 4}v${2 * BAND + 8}`,
        stroke: "var(--fw-ink)",
        "stroke-width": 2.5,
      }),
    ),
    ...TICKS.map((share) =>
      label(across(width, levelOf(share)), bottom + 13, String(share).slice(1), {
        "text-anchor": "middle",
        fill: "var(--fw-soft)",
      }),
    ),
  ];
}

/** The strips in words. */
export function stripsSaid(text: Strings, state: State, shown: (rates: Rates) => string): string {
  const of = (name: Part): string => text.partSaid(text.parts[name], shown(ratesOf(state, name)));
  return `${of("seen")} ${of(state.part)}`;
}

/** The figure as one drawing to keep: sentence, note, strips and curve. */
export function drawFile(
  state: State,
  text: Strings,
  words: { finding: string; note: string; up: string },
  curve: Drawing,
): Drawing {
  const strips = 440;
  const wide = Number(curve.attributes.width);
  const width = Math.max(
    strips + wide + 24,
    Math.ceil(Math.max(textWidth(words.finding, 13), textWidth(words.note, 12))) + 16,
  );
  const height = 76 + Math.max(HEIGHT, Number(curve.attributes.height));
  return sheet(
    width,
    height,
    svg("rect", { width, height, fill: "var(--fw-surface)" }),
    label(8, 20, words.finding, { "font-size": 13, "font-weight": 600 }),
    label(8, 40, words.note, { "font-size": 12 }),
    label(strips + 24, 65, words.up, { "font-size": 13, "font-weight": 600 }),
    svg("g", { transform: "translate(8 52)" }, ...drawStrips(state, text, strips)),
    svg("g", { transform: `translate(${strips + 16} 72)` }, ...(curve.children as Shape[])),
  );
}

// What the errors cost at each threshold, beside blocking nothing and blocking everything.
import { chart } from "../../base/chart";
import { range } from "../../base/controls";
import { h, setText } from "../../base/dom";
import { fold } from "../../base/fold";
import { picture } from "../../base/shapes";
import { percent, shownLevel, type ThresholdFigure } from "../figure";
import { at, cheapest, cost, crossed, HIGHEST, LOWEST, rates } from "../decisions";
import { levelOf, probability, ranked, type Ranked, type State } from "../state";
import type { Strings } from "../strings";
import { nearest, prevalenceSlider, showPrevalence } from "./thousand";

/** What a missed sentence costs, a harmless one that is blocked costing 1. */
const RATIOS = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
const TICKS = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];

/** Of a thousand sentences, what is spent now, where nothing is blocked, and where everything is. */
export interface Plain {
  now: number;
  none: number;
  all: number;
}

export interface Costs extends Plain {
  /** Of the threshold that costs alone would give, one over one and the ratio. */
  formula: number;
  formulaAt: number;
  /** The least on these sentences themselves, and on those that it was not chosen on. */
  least: number;
  leastAt: number;
  crossed: number;
}

/** What a level spends; null where a kind is missing. */
function spent({ ratio, prevalence }: State, shown: Ranked, level: number): number | null {
  const found = cost(rates(shown, level), ratio, prevalence);
  return found === null ? null : 1000 * found;
}

function plain(state: State): Plain | null {
  const shown = ranked(state, state.part);
  const [now, none, all] = [state.level, HIGHEST, LOWEST].map((level) => spent(state, shown, level));
  return now === null || none === null || all === null ? null : { now, none, all };
}

export function costs(state: State): Costs | null {
  const { ratio, prevalence, part } = state;
  const shown = ranked(state, part);
  const found = plain(state);
  const other = crossed(shown, ratio, prevalence);
  if (found === null || other === null) return null;
  const best = cheapest(shown.points, ratio, prevalence);
  const formulaAt = Math.log(1 / ratio);
  return {
    ...found,
    formula: spent(state, shown, formulaAt) ?? 0,
    formulaAt,
    least: spent(state, shown, best.level) ?? 0,
    leastAt: best.level,
    crossed: 1000 * other,
  };
}

const whole = (value: number): string => value.toFixed(value > 0 && value < 9.95 ? 1 : 0);

/** Whether a threshold that half of the sentences chose is of use on the others; empty without two kinds. */
export function verdictOf(state: State, text: Strings): string {
  const found = costs(state);
  if (!found) return "";
  const trivial = Math.min(found.none, found.all);
  const better = found.crossed < trivial - 1e-9;
  const words = text.verdict(better, whole(found.crossed), whole(trivial), found.none <= found.all);
  return state.part === "unseen" ? `${words}${text.sharedHalves}` : words;
}

export function costsFold(figure: ThresholdFigure): HTMLElement {
  const { text } = figure;
  return fold(figure, {
    name: "costs",
    title: text.costsTitle,
    headline: (state: State) => {
      const found = plain(state);
      if (!found) return text.noHarmful;
      const { ratio, prevalence } = state;
      return text.costs(
        String(ratio),
        percent(prevalence),
        whole(found.now),
        whole(found.none),
        whole(found.all),
      );
    },
    build: (on) => {
      const prevalence = prevalenceSlider(figure);
      const ratio = range(text.ratio, { min: 0, max: RATIOS.length - 1, step: 1 }, (place) =>
        figure.set({ ratio: RATIOS[place] }),
      );
      const caption = h("p", { class: "fw-caption" }, text.costsCaption);
      const board = h("div", { class: "fw-drawing" });
      const paint = picture(board);
      const verdict = h("p", { class: "fw-verdict" });
      const notes = h("ul", { class: "fw-cost-notes" });
      const lines = [0, 1, 2].map(() => notes.appendChild(h("li")));
      on((state) => {
        showPrevalence(prevalence, state);
        ratio.set(nearest(RATIOS, state.ratio), `${state.ratio} : 1`);
        const found = costs(state);
        for (const part of [caption, board, verdict, notes]) part.hidden = found === null;
        if (!found) return;
        const { points } = ranked(state, state.part);
        const trivial = Math.min(found.none, found.all);
        const most = 2.5 * trivial;
        const steps: [number, number][] = points.flatMap((point, i): [number, number][] => {
          const value = 1000 * (cost(at(points, point), state.ratio, state.prevalence) ?? 0);
          const to = points[i + 1]?.level ?? LOWEST;
          return [
            [point.level, value],
            [to, value],
          ];
        });
        const { drawing } = chart({
          width: Math.min(640, Math.max(280, figure.root.clientWidth - 26 || 560)),
          height: 230,
          x: {
            from: LOWEST,
            to: HIGHEST,
            label: text.threshold,
            ticks: TICKS.map((share) => [levelOf(share), String(share).slice(1)]),
          },
          y: {
            from: 0,
            to: most,
            ticks: [0, 0.5, 1, 1.5, 2, 2.5].map((i) => [
              i * trivial,
              (i === 2.5 ? "≥" : "") + whole(i * trivial),
            ]),
          },
          lines: [
            { points: steps, color: "var(--fw-ink)", width: 2.5 },
            {
              points: [[found.leastAt, found.least]],
              color: "var(--fw-e2)",
              mark: "square",
              name: text.leastHere,
            },
          ],
          rules: [
            ...(found.none <= most ? [{ y: found.none, name: text.blockNone, dash: "6 3" }] : []),
            { x: state.level, name: text.here, dash: "1 0" },
            ...(found.all <= most ? [{ y: found.all, name: text.blockAll, dash: "2 3" }] : []),
          ],
        });
        paint(drawing, lines.map(({ textContent }) => textContent).join(" "));
        setText(verdict, verdictOf(state, text));
        setText(lines[0], text.costHere(whole(found.now), shownLevel(state.level)));
        const formula = probability(found.formulaAt).toFixed(2);
        setText(lines[1], text.costFormula(formula, whole(found.formula)));
        setText(lines[2], text.costLeast(shownLevel(found.leastAt), whole(found.least)));
      });
      return [
        h("div", { class: "fw-row" }, prevalence.element, ratio.element),
        verdict,
        caption,
        board,
        notes,
      ];
    },
  });
}

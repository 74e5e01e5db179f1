// ROC or precision and recall, with the state as a point that is dragged along the curve.
import { chart, type Line, type Plot } from "../../base/chart";
import { choice } from "../../base/controls";
import { h, setText } from "../../base/dom";
import { handle } from "../../base/handle";
import { picture } from "../../base/shapes";
import { percent, placeOf, setLevel, type ThresholdFigure } from "../figure";
import { at, precision, type Point } from "../decisions";
import { CURVES, ranked, type Part, type State } from "../state";
import type { Strings } from "../strings";

const HEIGHT = 300;
const TICKS: [number, string][] = [0, 0.25, 0.5, 0.75, 1].map((share) => [share, String(100 * share)]);

type Place = [x: number, y: number];

/** Where a point lies on the chosen curve; null where nothing is blocked and so no precision is known. */
function place(points: readonly Point[], point: Point, { curve, prevalence }: State): Place | null {
  const found = at(points, point);
  const caught = 1 - found.missed / found.harmful;
  if (curve === "roc") return [found.blocked / found.harmless, caught];
  const exact = precision(found, prevalence);
  return exact === null ? null : [caught, exact];
}

function places(state: State, part: Part): (Place | null)[] {
  const { points, auroc } = ranked(state, part);
  return auroc === null ? [] : points.map((point) => place(points, point, state));
}

/** The chart of a state at a width. */
export function drawCurve(state: State, text: Strings, width: number): Plot {
  const { curve, part, prevalence } = state;
  const drawn = (of: (Place | null)[]): Place[] => of.filter((one): one is Place => one !== null);
  const coin: Place[] =
    curve === "roc"
      ? [
          [0, 0],
          [1, 1],
        ]
      : [
          [0, prevalence],
          [1, prevalence],
        ];
  const lines: Line[] = [
    { points: coin, color: "var(--fw-line)", dash: "2 4", width: 1.5, name: text.coin },
    {
      points: drawn(places(state, "seen")),
      color: "var(--fw-soft)",
      dash: "6 3",
      width: 1.5,
      name: text.parts.seen,
    },
    { points: drawn(places(state, part)), color: "var(--fw-ink)", width: 3, name: text.parts[part] },
  ];
  return chart({
    width,
    height: HEIGHT,
    x: { from: 0, to: 1, label: text.curveX[curve], ticks: TICKS },
    y: { from: 0, to: 1, ticks: TICKS },
    lines: lines.filter(({ points }) => points.length),
  });
}

export function curve(figure: ThresholdFigure): HTMLElement {
  const { text, signal } = figure;
  const caption = h("p", { class: "fw-caption" });
  const board = h("div", { class: "fw-board" });
  const paint = picture(board);
  const note = h("p", { class: "fw-note fw-curve-note" });
  const kind = choice(
    text.curve,
    CURVES.map((name) => text.curves[name]),
    (i) => figure.set({ curve: CURVES[i] }),
  );
  let plot: Plot | undefined;
  const points = (): Point[] => ranked(figure.state, figure.state.part).points;
  const point = handle(
    board,
    text.pointRole,
    {
      to: (x, y) => {
        const all = places(figure.state, figure.state.part);
        if (!plot || !all.length) return;
        const { px, py } = plot;
        const far = all.map((one) =>
          one ? Math.hypot(px(one[0]) - x, py(one[1]) - y) : Number.POSITIVE_INFINITY,
        );
        setLevel(figure, points()[far.indexOf(Math.min(...far))].level);
      },
      step: (x, y) => {
        const all = points();
        const next = placeOf(all, figure.state.level) + x + y;
        setLevel(figure, all[Math.min(all.length - 1, Math.max(0, next))].level);
      },
    },
    signal,
  );
  figure.on((state) => {
    const width = Math.min(340, Math.max(250, board.parentElement?.clientWidth || 300));
    plot = drawCurve(state, text, width);
    const { auroc, points: all } = ranked(state, state.part);
    const words = text.curveSaid(text.parts[state.part], auroc === null ? "–" : auroc.toFixed(2));
    paint(plot.drawing, words);
    board.style.width = `${width}px`;
    board.style.height = `${HEIGHT}px`;
    const here = auroc === null ? null : place(all, all[placeOf(all, state.level)], state);
    point.element.hidden = auroc === null;
    const [x, y] = here ?? [0, 0];
    point.set(plot.px(x), plot.py(y), text.point[state.curve](percent(x), here ? percent(y) : "–"));
    setText(caption, text.curveCaption[state.curve](percent(state.prevalence)));
    setText(note, auroc === null ? text.noCurve : words);
    kind.set(CURVES.indexOf(state.curve));
  });
  return h("div", { class: "fw-curve" }, caption, board, note, kind.element);
}

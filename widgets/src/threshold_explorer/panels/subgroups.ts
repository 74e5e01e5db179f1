// Shares within kinds and groups of sentences, with Wilson's intervals.
import { h } from "../../base/dom";
import { fold } from "../../base/fold";
import { label, picture, sheet, svg, type Drawing, type Shape } from "../../base/shapes";
import { mark, RIGHT } from "../draw";
import { interval, type ThresholdFigure } from "../figure";
import { wilson, type Rates } from "../decisions";
import { among, PARTS, type State } from "../state";
import type { Strings } from "../strings";

export interface Row {
  name: string;
  found: Rates;
  /** Whether training attacks the group; null for what is no group. */
  attacked: boolean | null;
  /** What stands over the first row of a section. */
  heading?: string;
}

/** Each kind of the sentences that were written one by one. */
export function kinds(state: State, text: Strings): Row[] {
  return PARTS.own.map((kind) => {
    const at = state.data.kindNames.indexOf(kind);
    return { name: text.kinds[kind], found: among(state, state.data.byKind[at]), attacked: null };
  });
}

/** Each group, in the order of the data. */
export function groups(state: State, text: Strings): Row[] {
  const { data } = state;
  const attacked = data.kindNames.indexOf("attacked");
  const rows = data.groupNames.map(
    (name, group): Row => ({
      name: text.groups[name] ?? name,
      found: among(state, data.byGroup[group]),
      attacked: data.kinds[data.byGroup[group][0]] === attacked,
    }),
  );
  return rows.map((row, i) =>
    row.attacked === rows[i - 1]?.attacked
      ? row
      : { ...row, heading: row.attacked ? text.attacked : text.neverNamed },
  );
}

const ROW = 30;
const HEADING = 22;
const TOP = 4;
const BOTTOM = 22;

/** Shares that are blocked: a disc for harmless sentences, a square for harmful ones, with intervals. */
function forest(rows: Row[], width: number): Drawing {
  const left = 118;
  const place = (share: number): number => left + share * (width - left - 20);
  let top = TOP;
  const tops = rows.map(({ heading }) => {
    top += ROW + (heading ? HEADING : 0);
    return top - ROW;
  });
  const height = top + BOTTOM;
  const bar = (hits: number, of: number, harmful: boolean, y: number): Shape[] => {
    const found = wilson(hits, of);
    if (!found) return [];
    const fill = harmful ? RIGHT : "var(--fw-e5)";
    return [
      svg("path", {
        d: `M${place(found[0]).toFixed(1)} ${y}H${place(found[1]).toFixed(1)}`,
        stroke: fill,
        "stroke-width": 2,
      }),
      svg("path", { d: mark(harmful, place(hits / of), y, 4.5), fill }),
    ];
  };
  const end = height - BOTTOM;
  return sheet(
    width,
    height,
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
      svg("path", { d: `M${place(share)} ${TOP}V${end}`, stroke: "var(--fw-line)", "stroke-opacity": 0.5 }),
      label(place(share), end + 15, `${100 * share}%`, { "text-anchor": "middle", fill: "var(--fw-soft)" }),
    ]),
    ...rows.flatMap(({ name, found, heading }, i) => {
      const y = tops[i] + ROW / 2;
      const { harmful, missed, harmless, blocked } = found;
      const both = harmful > 0 && harmless > 0;
      return [
        ...(heading ? [label(0, tops[i] - 4, heading, { "font-size": 12, "font-weight": 700 })] : []),
        label(0, y + 4, name, { "font-size": 12 }),
        ...bar(blocked, harmless, false, y - (both ? 6 : 0)),
        ...bar(harmful - missed, harmful, true, y + (both ? 6 : 0)),
      ];
    }),
  );
}

const said = (rows: Row[], text: Strings): string =>
  rows
    .map(({ name, found }) => {
      const { harmful, missed, harmless, blocked } = found;
      const parts = [
        harmless ? text.ofHarmless(interval(blocked, harmless)) : "",
        harmful ? text.ofHarmful(interval(harmful - missed, harmful)) : "",
      ];
      return `${name}: ${parts.filter(Boolean).join(", ")}`;
    })
    .join("; ");

function subgroups(
  figure: ThresholdFigure,
  {
    name,
    title,
    rows,
    headline,
    note,
  }: {
    name: string;
    title: string;
    rows: (state: State, text: Strings) => Row[];
    headline: (rows: Row[]) => string;
    note: string;
  },
): HTMLElement {
  const { text } = figure;
  return fold(figure, {
    name,
    title,
    headline: (state: State) => headline(rows(state, text)),
    build: (on) => {
      const board = h("div", { class: "fw-drawing" });
      const paint = picture(board);
      on((state) => {
        const width = Math.min(560, Math.max(270, figure.root.clientWidth - 26 || 560));
        const shown = rows(state, text);
        paint(forest(shown, width), said(shown, text));
      });
      return [h("p", { class: "fw-note" }, text.forestKey), board, h("p", { class: "fw-note" }, note)];
    },
  });
}

/** Least and most of a count over rows. */
function span(rows: Row[], of: (found: Rates) => number): string {
  const found = rows.map((row) => of(row.found));
  const [least, most] = [Math.min(...found), Math.max(...found)];
  return least === most ? String(least) : `${least}–${most}`;
}

/** Harmless sentences that are blocked, of groups that training attacks and of those that it never names. */
export function groupsFound(rows: Row[], text: Strings): string {
  const [attacked, never] = [true, false].map((yes) => rows.filter((row) => row.attacked === yes));
  const blocked = (some: Row[]): string => span(some, (found) => found.blocked);
  return text.groupsFound(
    rows[0].found.harmless,
    attacked.length,
    blocked(attacked),
    never.length,
    blocked(never),
  );
}

export function groupsFold(figure: ThresholdFigure): HTMLElement {
  const { text } = figure;
  return subgroups(figure, {
    name: "groups",
    title: text.groupsTitle,
    rows: groups,
    note: text.groupsNote,
    headline: (rows) => groupsFound(rows, text),
  });
}

export function kindsFold(figure: ThresholdFigure): HTMLElement {
  const { text } = figure;
  return subgroups(figure, {
    name: "kinds",
    title: text.kindsTitle,
    rows: kinds,
    note: text.kindsNote,
    headline: (rows) => {
      const [plain, hard] = rows.map(({ found }) => found);
      return text.kindsFound(hard.blocked, hard.harmless, plain.blocked, plain.harmless);
    },
  });
}

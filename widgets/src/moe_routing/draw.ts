// SVG of the bins, the load, the history, and of the whole figure for export. Colours are CSS variables of the theme.
import { svg, type Drawing, type Shape } from "../base/shapes";
import { ablationOf, scoresOf, shown, type Data, type State } from "./state";
import { route, type TokenPath } from "./math";
import type { Strings } from "./strings";

/** Columns that the table, the bins and the load share: a gutter for labels, then one column for each expert. */
export interface Columns {
  gutter: number;
  column: number;
  width: number;
}

export function columns(width: number, experts: number): Columns {
  const gutter = width < 520 ? 58 : 84;
  return { gutter, column: (width - gutter) / experts, width };
}

const FONT = "system-ui, sans-serif";
const MONO = "ui-monospace, monospace";

/** Experts beyond the eighth repeat the colours; their numbers tell them apart. */
export const hue = (expert: number): string => `var(--fw-e${expert % 8})`;

function label(
  x: number,
  y: number,
  text: string,
  extra: Record<string, string | number> = {},
): Shape<"text"> {
  return svg("text", { x, y, fill: "var(--fw-ink)", "font-size": 11, "font-family": FONT, ...extra }, text);
}

function drawing(width: number, height: number, ...children: Shape[]): Drawing {
  return svg(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` },
    ...children,
  );
}

/** Characters that fit, counting a wide (CJK) character as two. */
export function fit(text: string, room: number): string {
  let used = 0;
  let out = "";
  for (const char of text) {
    used += /[\u1100-\uffdc]/u.test(char) ? 2 : 1;
    if (used > room) return out;
    out += char;
  }
  return out;
}

function cross(x: number, y: number, width: number, height: number): Shape {
  return svg("path", {
    d: `M${x} ${y}l${width} ${height}M${x} ${y + height}l${width} ${-height}`,
    stroke: "var(--fw-bad)",
    "stroke-width": 1.2,
    fill: "none",
  });
}

/** Heights of a token's box in a bin, pixels; from 11 up it holds its text. */
const CELLS = [15, 12.5, 11, 9, 7, 5, 4, 3, 2, 1.5];

export function drawBins(state: State, text: Strings, { gutter, column, width }: Columns): Drawing {
  const { routing, data } = state;
  const { capacity, topK } = routing;
  const longest = Math.max(capacity ?? 0, ...routing.counts, 1);
  // A few sizes only: a bin that grows by one token must not redraw all the others in another size.
  const cell = CELLS.find((size) => size * longest <= 300) ?? CELLS[CELLS.length - 1];
  const top = 4;
  const height = top + longest * cell + 6;
  const inner = column - Math.min(6, column * 0.15);
  const parts: Shape[] = [];

  for (let e = 0; e < routing.experts; e++) {
    const x = gutter + e * column + (column - inner) / 2;
    if (e === state.expert)
      parts.push(svg("rect", { x: x - 2, y: 0, width: inner + 4, height, fill: "var(--fw-mark)", rx: 3 }));
    if (capacity === null) continue;
    const slots = cell >= 5 ? capacity : 1;
    for (let slot = 0; slot < slots; slot++) {
      const tall = cell >= 5 ? cell - 1.5 : capacity * cell;
      parts.push(
        svg("rect", {
          x,
          y: top + slot * cell,
          width: inner,
          height: tall,
          rx: 2,
          fill: "none",
          stroke: "var(--fw-line)",
          class: "fw-slot",
        }),
      );
    }
  }

  const lost = new Int32Array(routing.experts);
  for (let token = 0; token < routing.tokens; token++) {
    for (let rank = 0; rank < topK; rank++) {
      const at = token * topK + rank;
      const e = routing.chosen[at];
      const kept = routing.kept[at] === 1;
      const x = gutter + e * column + (column - inner) / 2;
      const y = top + (kept ? routing.slots[at] : (capacity ?? 0) + lost[e]++) * cell;
      const tall = cell >= 5 ? cell - 1.5 : cell;
      // In coordinates of its own, so that a token that goes elsewhere is moved, not drawn again.
      const box = svg(
        "g",
        {
          "data-token": token,
          class: kept ? "fw-kept" : "fw-dropped",
          transform: `translate(${x} ${y})`,
          fill: hue(e),
        },
        svg(
          "rect",
          kept
            ? { width: inner, height: tall, rx: cell >= 5 ? 2 : 0, "fill-opacity": 0.25 }
            : {
                width: inner,
                height: tall,
                rx: cell >= 5 ? 2 : 0,
                fill: "var(--fw-surface)",
                stroke: "var(--fw-bad)",
                "stroke-dasharray": "2 2",
              },
        ),
        kept ? svg("rect", { width: 4, height: tall }) : cross(0, 0, inner, tall),
      );
      if (cell >= 11 && inner > 20) {
        box.children.push(
          label(7, cell - 4.5, fit(shown(data.tokens[token]), (inner - 8) / 5.6), {
            "font-size": Math.min(10, cell - 3),
            "font-family": MONO,
            "pointer-events": "none",
          }),
        );
      }
      if (token === state.token)
        box.children.push(
          svg("rect", {
            x: -0.5,
            y: -0.5,
            width: inner + 1,
            height: tall + 1,
            rx: 2,
            fill: "none",
            stroke: "var(--fw-ink)",
            "stroke-width": 2,
          }),
        );
      parts.push(box);
    }
  }
  if (capacity !== null) {
    const y = top + capacity * cell - 0.5;
    parts.push(
      svg("path", {
        d: `M${gutter - 6} ${y}H${width}`,
        stroke: "var(--fw-ink)",
        "stroke-dasharray": "4 3",
        fill: "none",
      }),
    );
    parts.push(label(gutter - 8, y + 4, text.capacityLine(capacity), { "text-anchor": "end" }));
  } else {
    parts.push(label(gutter - 8, top + 10, text.dropless, { "text-anchor": "end" }));
  }
  return drawing(width, height, ...parts);
}

export function drawLoad(state: State, text: Strings, { gutter, column, width }: Columns): Drawing {
  const { f, P, experts } = state.routing;
  const top = 6;
  const tall = 76;
  const base = top + tall;
  const most = Math.max(2 / experts, ...f, ...P);
  const parts: Shape[] = [];
  const bar = Math.min(18, column * 0.32);
  for (let e = 0; e < experts; e++) {
    const middle = gutter + (e + 0.5) * column;
    const high = (f[e] / most) * tall;
    const mean = (P[e] / most) * tall;
    parts.push(
      svg("rect", {
        x: middle - bar - 1,
        y: base - high,
        width: bar,
        height: high,
        fill: hue(e),
        stroke: "var(--fw-ink)",
        "stroke-width": 0.6,
      }),
      svg("rect", {
        x: middle + 1,
        y: base - mean,
        width: bar,
        height: mean,
        fill: "var(--fw-surface)",
        stroke: hue(e),
        "stroke-width": 2,
      }),
      svg("rect", {
        x: middle + 1,
        y: base - mean,
        width: bar,
        height: mean,
        fill: "none",
        stroke: "var(--fw-ink)",
        "stroke-width": 0.6,
        "stroke-dasharray": "2 1.5",
      }),
    );
    const size = column < 44 ? 9 : 11;
    const digits = column < 40 ? 2 : 3;
    parts.push(
      label(middle, base + 14, f[e].toFixed(digits), { "text-anchor": "middle", "font-size": size }),
    );
    parts.push(
      label(middle, base + 28, P[e].toFixed(digits), { "text-anchor": "middle", "font-size": size }),
    );
  }
  const level = base - (1 / experts / most) * tall;
  parts.push(
    svg("path", {
      d: `M${gutter - 4} ${level}H${width}`,
      stroke: "var(--fw-ink)",
      "stroke-dasharray": "5 3",
      fill: "none",
    }),
    svg("path", { d: `M${gutter} ${base}H${width}`, stroke: "var(--fw-line)", fill: "none" }),
    label(gutter - 8, level + 4, gutter < 70 ? `1/${experts}` : `${text.uniform} 1/${experts}`, {
      "text-anchor": "end",
    }),
    label(gutter - 8, base + 14, "f ■", { "text-anchor": "end" }),
    label(gutter - 8, base + 28, "P □", { "text-anchor": "end" }),
  );
  return drawing(width, base + 34, ...parts);
}

/** Layers from top to bottom: the token's experts as discs whose area is the weight, first choices joined. */
export function drawPath(
  state: State,
  text: Strings,
  way: TokenPath,
  { gutter, column, width }: Columns,
): Drawing {
  const layers = way.chosen.length;
  const tall = layers > 12 ? 16 : 26;
  const middle = (e: number): number => gutter + (e + 0.5) * column;
  const y = (layer: number): number => (layer + 0.5) * tall;
  const most = Math.min(tall, column) / 2 - 2;
  const parts: Shape[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const here = layer === state.layer;
    parts.push(
      svg(
        "g",
        { "data-layer": layer },
        svg("rect", {
          x: 0,
          y: layer * tall,
          width,
          height: tall,
          fill: here ? "var(--fw-mark)" : "var(--fw-surface)",
        }),
        label(gutter - 8, y(layer) + 4, gutter < 70 ? String(layer) : `${text.layer} ${layer}`, {
          "text-anchor": "end",
          "font-weight": here ? 700 : 400,
          "pointer-events": "none",
        }),
      ),
    );
    for (let e = 0; e < state.data.experts; e++)
      parts.push(
        svg("circle", {
          cx: middle(e),
          cy: y(layer),
          r: 2,
          fill: "var(--fw-line)",
          "pointer-events": "none",
        }),
      );
  }
  const points = way.chosen.map((chosen, layer) => `${middle(chosen[0])} ${y(layer)}`);
  parts.push(
    svg("path", {
      d: `M${points.join("L")}`,
      fill: "none",
      stroke: "var(--fw-ink)",
      "stroke-width": 1.5,
      "pointer-events": "none",
    }),
  );
  way.chosen.forEach((chosen, layer) =>
    chosen.forEach((e, rank) => {
      parts.push(
        svg("circle", {
          cx: middle(e),
          cy: y(layer),
          r: Math.max(2.5, most * Math.sqrt(way.weights[layer][rank])),
          fill: hue(e),
          stroke: "var(--fw-ink)",
          "stroke-width": rank ? 0.6 : 1.5,
          "stroke-dasharray": rank ? "2 1.5" : null,
          "pointer-events": "none",
        }),
      );
    }),
  );
  return drawing(width, layers * tall, ...parts);
}

/** Change of the held-out loss without each expert; the whiskers are two standard errors. */
export function drawAblation(state: State, { gutter, column, width }: Columns): Drawing {
  const found = ablationOf(state) ?? [];
  const tall = 64;
  const top = 4;
  // One scale for all layers of the snapshot, so that they can be compared; never so fine that noise fills the panel.
  const { data, snapshot } = state;
  const size = data.layers * data.experts;
  let most = 0.01;
  let least = 0;
  for (let i = snapshot * size; i < (snapshot + 1) * size; i++) {
    most = Math.max(most, data.ablation[2 * i] + 2 * data.ablation[2 * i + 1]);
    least = Math.min(least, data.ablation[2 * i] - 2 * data.ablation[2 * i + 1]);
  }
  least = Math.max(least, -most);
  const y = (value: number): number =>
    top + (tall * (most - Math.max(least, Math.min(most, value)))) / (most - least);
  const bar = Math.min(22, column * 0.45);
  const parts: Shape[] = [];
  found.forEach(({ change, error }, e) => {
    const middle = gutter + (e + 0.5) * column;
    if (e === state.expert)
      parts.push(
        svg("rect", {
          x: middle - column / 2 + 1,
          y: 0,
          width: column - 2,
          height: top + tall + 20,
          fill: "var(--fw-mark)",
          rx: 3,
        }),
      );
    parts.push(
      svg("rect", {
        x: middle - bar / 2,
        y: Math.min(y(change), y(0)),
        width: bar,
        height: Math.abs(y(change) - y(0)),
        fill: hue(e),
        stroke: "var(--fw-ink)",
        "stroke-width": 0.6,
      }),
      svg("path", {
        d: `M${middle} ${y(change - 2 * error)}V${y(change + 2 * error)}`,
        stroke: "var(--fw-ink)",
        "stroke-width": 1.2,
        fill: "none",
      }),
      label(middle, top + tall + 14, signed(change, column < 40 ? 2 : 3), {
        "text-anchor": "middle",
        "font-size": column < 44 ? 9 : 11,
      }),
    );
  });
  parts.push(
    svg("path", { d: `M${gutter} ${y(0)}H${width}`, stroke: "var(--fw-line)", fill: "none" }),
    label(gutter - 8, y(0) + 4, "0", { "text-anchor": "end" }),
    label(gutter - 8, top + 10, `+${most.toFixed(2)}`, { "text-anchor": "end" }),
  );
  return drawing(width, top + tall + 20, ...parts);
}

/** A change with its sign; what rounds to nothing has none. */
export function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}

export interface History {
  run: string;
  steps: number[];
  losses: number[];
}

/** Balance loss of each run at its snapshots, for the layer and the router's settings shown. */
export function history(state: State): History[] {
  const { data, options, layer } = state;
  const runs = [...new Set(data.snapshots.map((frame) => frame.run))];
  return runs.map((run) => {
    const frames = data.snapshots
      .map((frame, i) => ({ ...frame, i }))
      .filter((frame) => frame.run === run)
      .sort((a, b) => a.step - b.step);
    const losses = frames.map(
      ({ i }) => route(scoresOf(data, i, layer), data.tokens.length, data.experts, options).balanceLoss,
    );
    return { run, steps: frames.map((frame) => frame.step), losses };
  });
}

/** Steps are drawn at equal distances: snapshots are dense early in training, where the routing forms. */
export function drawHistory(state: State, lines: History[], width: number): Drawing {
  const height = 54;
  const most = Math.max(1.5, ...lines.flatMap((line) => line.losses));
  const steps = [...new Set(lines.flatMap((line) => line.steps))].sort((a, b) => a - b);
  const x = (step: number): number =>
    22 + (steps.length > 1 ? (steps.indexOf(step) / (steps.length - 1)) * (width - 32) : 0);
  const y = (loss: number): number =>
    height - 8 - ((loss - Math.min(1, ...lines.flatMap((l) => l.losses))) / (most - 1 || 1)) * (height - 18);
  const now = state.data.snapshots[state.snapshot];
  const parts: Shape[] = [
    svg("path", {
      d: `M22 ${y(1)}H${width - 6}`,
      stroke: "var(--fw-ink)",
      "stroke-dasharray": "3 3",
      "stroke-width": 0.8,
    }),
    label(16, y(1) + 4, "1", { "text-anchor": "end", "font-size": 10 }),
    label(16, y(most) + 4, most.toFixed(1), { "text-anchor": "end", "font-size": 10 }),
  ];
  lines.forEach((line, i) => {
    const color = i === 0 ? "var(--fw-e0)" : "var(--fw-e5)";
    const current = line.run === now.run;
    const points = line.steps.map((step, j) => `${x(step)} ${y(line.losses[j])}`);
    parts.push(
      svg("path", {
        d: `M${points.join("L")}`,
        fill: "none",
        stroke: color,
        "stroke-width": current ? 2.5 : 1.5,
        "stroke-dasharray": i === 0 ? null : "5 2",
      }),
    );
    line.steps.forEach((step, j) => {
      const here = current && step === now.step;
      const shape =
        i === 0
          ? svg("circle", { cx: x(step), cy: y(line.losses[j]), r: here ? 5 : 2.5 })
          : svg("rect", {
              x: x(step) - (here ? 4.5 : 2.2),
              y: y(line.losses[j]) - (here ? 4.5 : 2.2),
              width: here ? 9 : 4.4,
              height: here ? 9 : 4.4,
            });
      shape.attributes.fill = color;
      if (here) shape.attributes.stroke = "var(--fw-ink)";
      if (here) shape.attributes["stroke-width"] = 1.5;
      parts.push(shape);
    });
  });
  return drawing(width, height, ...parts);
}

export interface Segment {
  group: string;
  start: number;
  end: number;
}

/** Neighbouring tokens of one group. */
export function segments(data: Data): Segment[] {
  const list: Segment[] = [];
  data.tokens.forEach((_, i) => {
    const group = data.groups[i] ?? "";
    const last = list.at(-1);
    if (last && last.group === group) last.end = i + 1;
    else list.push({ group, start: i, end: i + 1 });
  });
  return list;
}

export interface Matrix {
  groups: string[];
  /** share[group][expert], rows sum to 1. */
  share: number[][];
}

/** Where each group's assignments go: all k choices, before capacity. */
export function specialisation(state: State): Matrix {
  const { routing, data } = state;
  const groups = [...new Set(data.groups)];
  const share = groups.map((group) => {
    const counts = new Array<number>(routing.experts).fill(0);
    data.groups.forEach((name, token) => {
      if (name !== group) return;
      for (let rank = 0; rank < routing.topK; rank++) counts[routing.chosen[token * routing.topK + rank]]++;
    });
    const total = counts.reduce((a, b) => a + b, 0) || 1;
    return counts.map((count) => count / total);
  });
  return { groups, share };
}

export function drawMatrix(matrix: Matrix, names: string[], { gutter, column, width }: Columns): Drawing {
  const tall = 20;
  const parts: Shape[] = [];
  matrix.share.forEach((row, i) => {
    const y = 2 + i * (tall + 2);
    parts.push(label(gutter - 8, y + 14, fit(names[i], (gutter - 8) / 5.6), { "text-anchor": "end" }));
    row.forEach((share, e) => {
      const x = gutter + e * column + 1;
      parts.push(
        svg("rect", {
          x,
          y,
          width: column - 2,
          height: tall,
          rx: 2,
          fill: "var(--fw-surface)",
          stroke: "var(--fw-line)",
        }),
      );
      parts.push(
        svg("rect", {
          x,
          y: y + tall * (1 - Math.min(1, share * 2)),
          width: column - 2,
          height: tall * Math.min(1, share * 2),
          rx: 2,
          fill: hue(e),
          "fill-opacity": 0.35,
        }),
      );
      parts.push(
        label(x + column / 2 - 1, y + 14, share ? `${Math.round(100 * share)}%` : "·", {
          "text-anchor": "middle",
          "font-size": column < 44 ? 9.5 : 11,
        }),
      );
    });
  });
  return drawing(width, 2 + matrix.share.length * (tall + 2), ...parts);
}

/** The whole figure as one drawing, for the downloaded files. */
export function drawFigure(state: State, text: Strings, groupName: (group: string) => string): Drawing {
  const width = 760;
  const pad = 16;
  const { routing, data } = state;
  const frame = data.snapshots[state.snapshot];
  const grid = columns(width - 2 * pad, routing.experts);
  const parts: Shape[] = [];
  let y = pad + 14;
  const line = (content: string, bold = false): void => {
    parts.push(label(pad, y, content, bold ? { "font-weight": 600, "font-size": 13 } : {}));
    y += 18;
  };
  const place = (child: Drawing): void => {
    parts.push({ ...child, attributes: { ...child.attributes, x: pad, y } });
    y += Number(child.attributes.height) + 18;
  };

  line(text.title, true);
  line(
    [
      text.runs[frame.run] ?? frame.run,
      text.stepText(frame.step, frame.val_loss ?? null),
      `${text.layer} ${state.layer}`,
      `top-${routing.topK}`,
      `T = ${state.options.temperature}`,
    ]
      .filter(Boolean)
      .join(" · "),
  );
  for (const { group, start, end } of segments(data)) {
    let x = pad + (group ? 70 : 0);
    if (group) parts.push(label(pad, y + 12, fit(groupName(group), 11)));
    for (let token = start; token < end; token++) {
      const content = shown(data.tokens[token]);
      const expert = routing.chosen[token * routing.topK];
      const room =
        [...content].reduce((sum, char) => sum + (/[\u1100-\uffdc]/u.test(char) ? 11 : 6.7), 0) + 22;
      if (x + room > width - pad) {
        x = pad + (group ? 70 : 0);
        y += 21;
      }
      parts.push(
        svg("rect", {
          x,
          y,
          width: room,
          height: 18,
          rx: 3,
          fill: hue(expert),
          "fill-opacity": 0.25,
          stroke: token === state.token ? "var(--fw-ink)" : "none",
          "stroke-width": 2,
        }),
        label(x + 4, y + 13, content, { "font-family": MONO }),
        label(x + room - 4, y + 13, String(expert), {
          "text-anchor": "end",
          "font-weight": 700,
          "font-size": 10,
        }),
      );
      x += room + 3;
    }
    y += 23;
  }
  y += 14;
  line(text.tokenCaption(shown(data.tokens[state.token]), state.token), true);
  const cell = (e: number, content: string, bold = false): void => {
    parts.push(
      label(pad + grid.gutter + (e + 0.5) * grid.column, y, content, {
        "text-anchor": "middle",
        ...(bold ? { "font-weight": 700 } : {}),
      }),
    );
  };
  const rows: [string, (e: number) => string][] = [
    [text.expert, (e) => `E${e}`],
    [text.rows.logits, (e) => state.scores[state.token * routing.experts + e].toFixed(2)],
    [text.rows.softmax, (e) => routing.probabilities[state.token * routing.experts + e].toFixed(3)],
    [
      text.rows.weight,
      (e) => {
        const rank = routing.chosen
          .subarray(state.token * routing.topK, (state.token + 1) * routing.topK)
          .indexOf(e);
        return rank < 0 ? "·" : routing.weights[state.token * routing.topK + rank].toFixed(3);
      },
    ],
  ];
  rows.forEach(([name, value], i) => {
    parts.push(label(pad, y, name));
    for (let e = 0; e < routing.experts; e++) cell(e, value(e), i === 0 || i === 3);
    y += 18;
  });
  y += 8;
  line(text.bins, true);
  place(drawBins(state, text, grid));
  line(text.load, true);
  place(drawLoad(state, text, grid));
  if (ablationOf(state)) {
    line(text.ablation(data.ablationTokens), true);
    place(drawAblation(state, grid));
  }
  line(
    `${text.metrics.balance} = ${routing.balanceLoss.toFixed(3)} · ${text.metrics.cv} ${routing.cv.toFixed(3)} · ${text.metrics.entropy} ${routing.entropy.toFixed(3)} · ${text.metrics.dropped} ${(100 * routing.dropFraction).toFixed(1)}%`,
  );
  const height = y + pad - 14;
  const figure = drawing(
    width,
    height,
    svg("rect", { x: 0, y: 0, width, height, fill: "var(--fw-surface)" }),
    ...parts,
  );
  figure.children.unshift(svg("title", {}, text.title));
  return figure;
}

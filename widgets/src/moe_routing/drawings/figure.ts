// The whole figure as one drawing, for the downloaded files.
import { label, sheet, svg, type Drawing, type Shape } from "../../base/shapes";
import { fit, textWidth } from "../../base/text";
import { segments } from "../groups";
import { ablationOf, type State } from "../state";
import type { Strings } from "../strings";
import { drawAblation } from "./ablation";
import { drawBins } from "./bins";
import { columns, hue, MONO } from "./columns";
import { drawLoad } from "./load";

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
    if (group) parts.push(label(pad, y + 12, fit(groupName(group), 66, 11)));
    for (let token = start; token < end; token++) {
      const content = data.labels[token];
      const expert = routing.chosen[token * routing.topK];
      const room = textWidth(content, 11) + 22;
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
  line(text.tokenCaption(data.labels[state.token], state.token), true);
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
  const { balance, cv, entropy, dropped } = text.metrics;
  line(
    [
      `${balance} = ${routing.balanceLoss.toFixed(3)}`,
      `${cv} ${routing.cv.toFixed(3)}`,
      `${entropy} ${routing.entropy.toFixed(3)}`,
      `${dropped} ${(100 * routing.dropFraction).toFixed(1)}%`,
    ].join(" · "),
  );
  const height = y + pad - 14;
  const figure = sheet(
    width,
    height,
    svg("rect", { x: 0, y: 0, width, height, fill: "var(--fw-surface)" }),
    ...parts,
  );
  figure.children.unshift(svg("title", {}, text.title));
  return figure;
}

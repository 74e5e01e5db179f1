// The balance loss over the training.
import { label, sheet, svg, type Drawing, type Shape } from "../../base/shapes";
import { route } from "../math";
import { scoresOf, type State } from "../state";

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
  return sheet(width, height, ...parts);
}

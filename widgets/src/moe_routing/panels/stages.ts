// One token's way through the router, stage by stage.
import { button, choice } from "../../base/controls";
import { h, setAttribute, setText } from "../../base/dom";
import { number } from "../../base/figure";
import { assignments, badge, choose, type RoutingFigure } from "../figure";
import { STAGES, type State } from "../state";

export function stages(figure: RoutingFigure): HTMLElement {
  const text = figure.text;
  const caption = h("span", { class: "fw-caption" });
  const go = (by: number): void =>
    figure.set({ stage: Math.min(STAGES - 1, Math.max(0, figure.state.stage + by)) });
  const previous = button("‹", () => go(-1), text.previous);
  const next = button("›", () => go(1), text.next);
  const stage = choice(text.stageLabel, text.stages, (i) => figure.set({ stage: i }));
  stage.element.classList.add("fw-stages");
  const explanation = h("p", { class: "fw-explain" });
  figure.on((state) => {
    stage.set(state.stage);
    previous.disabled = state.stage === 0;
    next.disabled = state.stage === STAGES - 1;
    setText(caption, text.tokenCaption(figure.data.labels[state.token], state.token));
    explanation.replaceChildren(...explain(figure, state));
  });
  return h(
    "div",
    { class: "fw-panel" },
    h("div", { class: "fw-row" }, caption, h("div", { class: "fw-stepper" }, previous, stage.element, next)),
    explanation,
  );
}

function explain(figure: RoutingFigure, state: State): (Node | string)[] {
  const { explain } = figure.text;
  const { routing, options, token } = state;
  const routed = assignments(state, token);
  const p = (e: number): number => routing.probabilities[token * routing.experts + e];
  const mass = routed.reduce((sum, { expert }) => sum + p(expert), 0);
  const first = routed[0].expert;
  switch (state.stage) {
    case 0:
      return [explain.x(state.layer)];
    case 1:
      return [explain.logits(`E${first}`, state.scores[token * routing.experts + first].toFixed(2))];
    case 2:
      return [explain.softmax(options.temperature.toFixed(2))];
    case 3:
      return [
        explain.topK(routing.topK, routed.map(({ expert }) => `E${expert}`).join(", "), mass.toFixed(3)),
      ];
    case 4:
      return [options.renormalize ? explain.renormalize(mass.toFixed(3)) : explain.raw(mass.toFixed(3))];
    default: {
      const terms = routed.flatMap(({ expert, weight, kept }, i) => {
        const term = h(
          kept ? "span" : "s",
          { class: "fw-term" },
          number(weight, 3, `weight-${i}`),
          "·E",
          h("sub", {}, String(expert)),
          "(x)",
        );
        return i ? [" + ", term] : [term];
      });
      const full = routed.filter(({ kept }) => !kept).map(({ expert }) => `E${expert}`);
      return [
        h("span", { class: "fw-formula" }, "y = ", ...terms),
        ...(full.length ? [" ", explain.dropped(full.join(", "))] : []),
      ];
    }
  }
}

export function pipeline(figure: RoutingFigure): HTMLElement {
  const text = figure.text;
  const { experts } = figure.data;
  const all = Array.from({ length: experts }, (_, e) => e);
  const heads = all.map((e) => h("th", { scope: "col", "data-expert": e }, badge(e)));
  const names = ["logits", "softmax", "topK", "weight"] as const;
  const cells = names.map((row) =>
    all.map(() =>
      h(
        "td",
        { class: `fw-cell fw-cell-${row}` },
        h("span", { class: "fw-bar", "aria-hidden": "true" }),
        h("data"),
      ),
    ),
  );
  const rows = names.map((row, i) =>
    h("tr", { "data-row": row }, h("th", { scope: "row" }, text.rows[row]), ...cells[i]),
  );
  const caption = h("caption", { class: "fw-hidden" });
  const table = h(
    "table",
    { class: "fw-pipeline" },
    caption,
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, text.expert), ...heads)),
    h("tbody", {}, ...rows),
  );
  table.addEventListener(
    "click",
    (event) => {
      const head = (event.target as Element).closest<HTMLElement>("[data-expert]");
      if (head) choose(figure, Number(head.dataset.expert));
    },
    { signal: figure.signal },
  );
  const fill = (cell: HTMLElement, value: number | null, shownAs: string, height: number): void => {
    const [bar, data] = cell.children as unknown as [HTMLElement, HTMLDataElement];
    bar.style.setProperty("--v", String(Math.abs(height)));
    bar.classList.toggle("fw-down", height < 0);
    setAttribute(data, "value", value === null ? "" : String(value));
    setText(data, shownAs);
  };
  figure.on((state) => {
    const { routing, token, stage } = state;
    setText(caption, text.tables.token(figure.data.labels[token]));
    const routed = assignments(state, token);
    const start = token * experts;
    let largest = 1e-9;
    for (const e of all) largest = Math.max(largest, Math.abs(state.scores[start + e]));
    rows.forEach((row, i) => row.classList.toggle("fw-later", stage < i + 1));
    rows.forEach((row, i) => row.classList.toggle("fw-now", stage === i + 1 || (stage === 5 && i === 3)));
    for (const e of all) {
      const rank = routed.findIndex(({ expert }) => expert === e);
      const mine = rank >= 0 ? routed[rank] : null;
      fill(
        cells[0][e],
        state.scores[start + e],
        state.scores[start + e].toFixed(2),
        state.scores[start + e] / largest,
      );
      fill(
        cells[1][e],
        routing.probabilities[start + e],
        routing.probabilities[start + e].toFixed(3),
        routing.probabilities[start + e],
      );
      fill(cells[2][e], mine ? rank + 1 : null, mine ? `#${rank + 1}` : "–", 0);
      fill(
        cells[3][e],
        mine ? mine.weight : null,
        mine ? mine.weight.toFixed(3) : "–",
        mine ? mine.weight : 0,
      );
      const chosen = mine && stage >= 3 ? " fw-chosen" : "";
      const lost = mine && !mine.kept && stage === 5 ? " fw-lost" : "";
      for (const [i, row] of cells.entries())
        setAttribute(row[e], "class", `fw-cell fw-cell-${names[i]} fw-hue-${e % 8}${chosen}${lost}`);
      heads[e].classList.toggle("fw-mine", e === state.expert);
    }
  });
  return table;
}

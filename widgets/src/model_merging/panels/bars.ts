// What the merged model answers in each task, beside the base and the expert of the row.
import { h, setAttribute, setText } from "../../base/dom";
import { counted, type MergingFigure } from "../figure";
import { baseScores, expertScores } from "../state";

const percent = (share: number): string => `${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%`;

export function bars(figure: MergingFigure): HTMLElement {
  const { text, data } = figure;
  const rows = data.tasks.map((task, at) => {
    const example = data.prompts.find((prompt) => prompt.task === at);
    const bar = h("span", { class: `fw-right fw-right-${at}`, "aria-hidden": "true" });
    const count = h("span", { class: "fw-right-count" });
    const beside = h("span", { class: "fw-note" });
    const element = h(
      "li",
      {},
      h(
        "span",
        { class: "fw-bar-name" },
        h("strong", {}, text.tasks[task]),
        " ",
        h("span", { class: "fw-note" }, text.forms[task]),
      ),
      h("code", { class: "fw-bar-example" }, `${example?.prompt ?? ""}${example?.answer ?? ""}`),
      bar,
      count,
      beside,
    );
    return { element, bar, count, beside };
  });
  const words = h("p", { class: "fw-note fw-text-loss" });
  figure.on((state) => {
    const base = baseScores(state);
    rows.forEach(({ bar, count, beside }, at) => {
      const of = data.asked[at];
      const expert = expertScores(state, at).right[at];
      const now = state.scores?.right[at];
      bar.style.setProperty("--v", percent((now ?? 0) / of));
      bar.style.setProperty("--base", percent(base.right[at] / of));
      bar.style.setProperty("--expert", percent(expert / of));
      const exact = state.scores?.kind === "exact";
      setText(
        count,
        now === undefined ? `${text.waiting} / ${of}` : `${counted(figure, now, exact)} / ${of}`,
      );
      setAttribute(count, "data-kind", state.scores?.kind ?? "");
      setText(beside, `${text.ofBase} ${base.right[at]} · ${text.ofExpert} ${expert}`);
    });
    setText(
      words,
      state.scores ? text.note.text(state.scores.text.toFixed(2), base.text.toFixed(2)) : text.waiting,
    );
  });
  return h(
    "div",
    { class: "fw-bars" },
    h("p", { class: "fw-caption" }, text.bars),
    h("ul", {}, ...rows.map(({ element }) => element)),
    words,
  );
}

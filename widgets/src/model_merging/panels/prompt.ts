// The reader's own prompt, answered by base, experts and merge side by side.
import { button, textField } from "../../base/controls";
import { h, setAttribute, setText, uniqueId } from "../../base/dom";
import type { MergingFigure } from "../figure";

const PAUSE = 150;

export function promptPanel(figure: MergingFigure): HTMLElement {
  const { text, data, signal } = figure;
  const id = uniqueId("prompt");
  const input = textField(
    { id, class: "fw-prompt-input", hint: text.promptHint, maxlength: 120, keep: "prompt" },
    signal,
  );
  let waiting: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(waiting));
  input.addEventListener(
    "input",
    () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => figure.set({ prompt: input.value.trim() }), PAUSE);
    },
    { signal },
  );

  const asked = data.tasks.map(() => 0);
  const chips = data.tasks.map((task, at) =>
    button(text.tasks[task], () => {
      const own = data.prompts.filter((prompt) => prompt.task === at);
      const shown = own.findIndex(({ prompt }) => prompt === figure.state.prompt);
      asked[at] = shown < 0 ? asked[at] : (shown + 1) % own.length;
      figure.set({ prompt: own[asked[at]].prompt });
    }),
  );

  const names = [text.base, ...data.tasks.map((task) => text.expert(text.tasks[task])), text.merged];
  const rows = names.map((name, at) => {
    const answer = h("code");
    const verdict = h("span", { class: "fw-verdict" });
    const merged = at === names.length - 1;
    const element = h(
      "tr",
      { class: merged ? "fw-merged" : null },
      h("th", { scope: "row" }, name),
      h("td", {}, verdict),
      h("td", {}, answer),
    );
    return { element, answer, verdict };
  });
  const key = h("p", { class: "fw-note fw-key" });
  const status = h("p", { class: "fw-note fw-status", role: "status" });
  figure.on(({ answers, prompt, status: said }) => {
    if (document.activeElement !== input && input.value !== prompt) input.value = prompt;
    const known = data.prompts.find((one) => one.prompt === prompt);
    const all = [answers.base, ...answers.experts, answers.merged];
    rows.forEach(({ answer, verdict }, at) => {
      const now = all[at];
      setText(answer, now === null ? text.waiting : now.trim() || text.empty);
      const right = now !== null && known ? now === known.answer : null;
      setText(verdict, right === null ? "" : right ? `✓ ${text.right}` : `✗ ${text.wrong}`);
      setAttribute(verdict, "data-right", String(right));
    });
    setText(key, known ? text.key(known.answer.trim()) : text.noKey);
    setText(status, said);
  });
  return h(
    "div",
    { class: "fw-prompt" },
    h(
      "div",
      { class: "fw-row" },
      h("label", { for: id, class: "fw-caption" }, text.prompt),
      input,
      h("span", { class: "fw-row fw-chips", role: "group", "aria-label": text.examples }, ...chips),
    ),
    h(
      "table",
      { class: "fw-answers" },
      h("caption", { class: "fw-hidden" }, text.answersCaption),
      h("tbody", {}, ...rows.map(({ element }) => element)),
    ),
    key,
    status,
  );
}

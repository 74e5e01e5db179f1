// A question for each topic: guess, then see.
import { button } from "../../base/controls";
import { h, setAttribute, setText, uniqueId } from "../../base/dom";
import type { LongContextFigure } from "../figure";
import type { Topic } from "../state";

export function question(figure: LongContextFigure): HTMLElement {
  const text = figure.text;
  const order: Topic[] = ["mask", "position", "cost"];
  const asked = order.map((topic, which) => {
    const question = text.questions[which];
    const id = uniqueId("question");
    const reveal = h("p", { class: "fw-reveal", role: "status" });
    const options = question.options.map((option, i) =>
      button(option, () => {
        options.forEach((other, j) => setAttribute(other, "aria-pressed", String(i === j)));
        const verdict = i === question.right ? text.correct : text.wrong;
        setText(reveal, `${verdict} ${text.answerIs(question.options[question.right])}${question.why}`);
      }),
    );
    for (const option of options) option.setAttribute("aria-pressed", "false");
    return {
      topic,
      element: h(
        "div",
        { class: "fw-question", role: "group", "aria-labelledby": id },
        h("p", { id }, h("strong", {}, text.reveal), question.ask),
        h("div", { class: "fw-row" }, ...options),
        reveal,
      ),
    };
  });
  figure.on((state) => {
    for (const { topic, element } of asked) element.hidden = topic !== state.topic;
  });
  return h("div", {}, ...asked.map(({ element }) => element));
}

// The tokens as chips, coloured by their first expert.
import { makePickable } from "../../base/chips";
import { h, setAttribute, setText, uniqueId } from "../../base/dom";
import { setTabStop } from "../../base/keyboard";
import { assignments, groupName, saidAssignments, type RoutingFigure } from "../figure";
import { segments } from "../groups";

export function strip(figure: RoutingFigure): HTMLElement {
  const text = figure.text;
  const list = h("div", {
    class: "fw-strip",
    role: "listbox",
    "aria-label": text.tokens,
    "aria-orientation": "horizontal",
  });
  const parts = segments(figure.data);
  const chips = figure.data.labels.map((label, i) =>
    h(
      "div",
      { class: "fw-chip", role: "option", "data-token": i },
      h("span", { class: "fw-token" }, label),
      h("span", { class: "fw-badge" }),
      h("span", { class: "fw-hidden" }),
    ),
  );
  for (const { group, start, end } of parts) {
    const members = chips.slice(start, end);
    if (!group) {
      list.append(...members);
      continue;
    }
    const id = uniqueId("group");
    list.append(
      h(
        "div",
        { class: "fw-segment", role: "group", "aria-labelledby": id },
        h("span", { id, class: "fw-segment-name", role: "presentation" }, groupName(figure, group)),
        ...members,
      ),
    );
  }
  makePickable(list, {
    items: () => chips,
    pick: (index) => figure.set({ selected_token: index }),
    activate: (index) =>
      figure.set({
        selected_token: index,
        selected_expert: figure.state.routing.chosen[index * figure.state.routing.topK],
      }),
    release: () => figure.set({ selected_expert: -1 }),
    segments: () => parts.map((part) => part.start),
    signal: figure.signal,
  });
  figure.on((state) => {
    const { routing } = state;
    setTabStop(chips, state.token);
    chips.forEach((chip, i) => {
      const routed = assignments(state, i);
      const first = routed[0];
      const mine = routed.some(({ expert }) => expert === state.expert);
      const lost = routed.every(({ kept }) => !kept);
      setAttribute(
        chip,
        "class",
        `fw-chip fw-hue-${first.expert % 8}${mine ? " fw-mine" : ""}${lost ? " fw-lost" : ""}`,
      );
      setAttribute(chip, "aria-selected", String(i === state.token));
      setText(chip.children[1], String(first.expert));
      const said = saidAssignments(state, i, ` ${text.tables.dropped}`);
      // Read after the visible text, which names the option.
      setText(chip.children[2], text.tokenLabel(i, said));
    });
    setAttribute(list, "data-experts", String(routing.experts));
  });
  return h("div", { class: "fw-panel" }, h("div", { class: "fw-caption" }, text.tokens), list);
}

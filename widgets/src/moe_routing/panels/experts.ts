// The experts: their load, who wants to go there, what
// one is worth to the reader's sentence, and their slots.
import { h, setAttribute, setText } from "../../base/dom";
import { number } from "../../base/figure";
import { roving, setTabStop } from "../../base/keyboard";
import { picture } from "../../base/shapes";
import { readingOf } from "../../reader/sentence_panel";
import { drawBins } from "../drawings/bins";
import { columns } from "../drawings/columns";
import { drawLoad } from "../drawings/load";
import { badge, choose, drawingWidth, type RoutingFigure } from "../figure";
import { tokensOf } from "../math";

export function experts(figure: RoutingFigure): HTMLElement {
  const text = figure.text;
  const options = Array.from({ length: figure.data.experts }, (_, e) =>
    h(
      "div",
      { class: `fw-expert fw-hue-${e % 8}`, role: "option", "data-expert": e },
      badge(e),
      h("span", { class: "fw-count" }),
      h("span", { class: "fw-hidden" }),
    ),
  );
  const list = h(
    "div",
    { class: "fw-experts", role: "listbox", "aria-label": text.experts, "aria-orientation": "horizontal" },
    ...options,
  );
  list.addEventListener(
    "click",
    (event) => {
      const option = (event.target as Element).closest<HTMLElement>("[data-expert]");
      if (option) choose(figure, Number(option.dataset.expert));
    },
    { signal: figure.signal },
  );
  roving(list, {
    items: () => options,
    move: (index) => figure.set({ selected_expert: index }),
    activate: (index) => choose(figure, index),
    release: () => figure.set({ selected_expert: -1 }),
    signal: figure.signal,
  });
  const wanted = h("p", { class: "fw-line fw-wanted" });
  figure.on((state) => {
    const { routing } = state;
    setTabStop(options, Math.max(0, state.expert));
    options.forEach((option, e) => {
      const count = routing.counts[e];
      const dropped = routing.capacity === null ? 0 : Math.max(0, count - routing.capacity);
      setAttribute(option, "aria-selected", String(e === state.expert));
      setText(option.children[1], dropped ? `${count - dropped}/${count}` : String(count));
      setText(option.children[2], text.expertLabel(dropped));
    });
    if (state.expert < 0) setText(wanted, text.chooseExpert);
    else {
      const top = tokensOf(routing, state.expert)
        .slice(0, 8)
        .map((token) =>
          h(
            "span",
            { class: "fw-mini" },
            figure.data.labels[token],
            " ",
            number(routing.probabilities[token * routing.experts + state.expert], 2),
          ),
        );
      wanted.replaceChildren(text.topTokens(state.expert), " ", ...top);
    }
  });
  const off = h("p", { class: "fw-line fw-off" });
  let key = "";
  figure.on((state) => {
    const reading = state.expert < 0 ? null : readingOf(figure.model);
    off.hidden = !reading || reading.pass.ids.length < 2;
    const next = reading && !off.hidden ? [reading.sentence, state.layer, state.expert].join() : "";
    if (next === key) return;
    key = next;
    if (!reading || !next) return;
    const whole = reading.model.loss(reading.pass);
    const without = reading.model.loss(
      reading.model.forward(reading.pass.ids, { layer: state.layer, expert: state.expert }),
    );
    const change = number(without - whole, 3, "off");
    if (without >= whole) change.prepend("+");
    off.replaceChildren(
      text.off(state.layer, state.expert),
      ` ${whole.toFixed(3)} → ${without.toFixed(3)} (`,
      change,
      ")",
    );
  });
  const caption = h("div", { class: "fw-caption" });
  figure.on((state) => setText(caption, state.options.priority ? text.binsBySureness : text.bins));
  return h("div", {}, caption, list, wanted, off);
}

export function bins(figure: RoutingFigure): HTMLElement {
  const place = h("div", { class: "fw-drawing fw-bins" });
  const paint = picture(place);
  place.addEventListener(
    "click",
    (event) => {
      const cell = (event.target as Element).closest<SVGElement>("[data-token]");
      if (cell) figure.set({ selected_token: Number(cell.dataset.token) });
    },
    { signal: figure.signal },
  );
  figure.on((state) => {
    const drawing = drawBins(state, figure.text, columns(drawingWidth(figure), figure.data.experts));
    const { counts, capacity } = state.routing;
    paint(
      drawing,
      figure.text.binsLabel(
        [...counts]
          .map((n, e) => `E${e} ${capacity === null ? n : `${Math.min(n, capacity)}/${capacity}`}`)
          .join(", "),
      ),
    );
  });
  return place;
}

export function load(figure: RoutingFigure): HTMLElement {
  const place = h("div", { class: "fw-drawing" });
  const paint = picture(place);
  figure.on((state) => {
    const drawing = drawLoad(state, figure.text, columns(drawingWidth(figure), figure.data.experts));
    const { f, P } = state.routing;
    paint(
      drawing,
      figure.text.loadLabel(
        [...f].map((value, e) => `E${e} f ${value.toFixed(3)} P ${P[e].toFixed(3)}`).join(", "),
      ),
    );
  });
  return h("div", {}, h("div", { class: "fw-caption" }, figure.text.load), place);
}

// What a context costs: time, memory, and whether it fits.
import { choice, range } from "../../base/controls";
import { h } from "../../base/dom";
import { picture } from "../../base/shapes";
import { bill, LENGTHS, type Bill } from "../bill";
import { MODELS, SHARINGS, type Cost } from "../cost";
import { drawMemory, drawTime } from "../drawings/cost";
import {
  drawingWidth,
  metricTiles,
  onTopic,
  patternControls,
  topicPanel,
  type LongContextFigure,
} from "../figure";
import { bytes, contextOf, percent, seconds, short } from "../units";
import { retrieval, rival } from "./rivals";

const BYTES = [4, 2, 1, 0.5];

export function cost(figure: LongContextFigure): HTMLElement {
  const text = figure.text;
  const names = Object.keys(MODELS);
  const ways = ["own", ...SHARINGS] as const;
  const model = choice(text.model, names, (i) => figure.set({ model: names[i] }));
  const sharing = choice(
    text.sharing,
    ways.map((name) => text.sharings[name]),
    (i) => figure.set({ sharing: ways[i] }),
  );
  const length = range(text.length, { min: 0, max: LENGTHS.length - 1, step: 1 }, (i) =>
    figure.set({ length: LENGTHS[i] }),
  );
  const wide = range(text.wide, { min: 4, max: 17, step: 1 }, (i) => figure.set({ wide: 2 ** i }));
  const width = choice(
    text.bytes,
    BYTES.map((n) => text.bytesText(n)),
    (i) => figure.set({ bytes_each: BYTES[i] }),
  );
  const places = [h("div", { class: "fw-drawing" }), h("div", { class: "fw-drawing" })];
  const [time, memory] = places.map(picture);
  const nearest = (values: readonly number[], wanted: number): number =>
    values.reduce(
      (best, value, i) =>
        Math.abs(Math.log(value / wanted)) < Math.abs(Math.log(values[best] / wanted)) ? i : best,
      0,
    );
  const said = (found: Bill, value: (cost: Cost) => string): string =>
    found.rows.map((row) => `${contextOf(row.n)} ${value(row.chosen)}`).join(", ");
  onTopic(figure, "cost", (state) => {
    const found = bill(state);
    model.set(names.indexOf(state.model));
    sharing.set(ways.indexOf(state.sharing));
    length.set(nearest(LENGTHS, state.length), contextOf(state.length));
    wide.set(Math.round(Math.log2(state.wide)), contextOf(state.wide));
    wide.element.hidden = ["full", "causal"].includes(state.pattern.kind);
    width.set(BYTES.indexOf(state.bytesEach));
    time(
      drawTime(state, text, found, drawingWidth(figure)),
      text.growthLabel(said(found, (cost) => seconds(cost.prefill))),
    );
    memory(
      drawMemory(state, text, found, drawingWidth(figure)),
      text.memoryLabel(said(found, (cost) => bytes(cost.cache))),
    );
  });
  const metrics = metricTiles(
    figure,
    ["share", "attention", "others", "cache", "prefill", "decode", "fits"],
    "cost",
    (state) => {
      const { now, causal } = bill(state);
      const of = (value: number, whole: number): string =>
        value === whole ? "" : `${percent(value / whole)} / ${figure.text.kinds.causal}`;
      return {
        share: [now.share, percent(now.share)],
        attention: [now.attention, short(now.attention), of(now.attention, causal.attention)],
        others: [now.others, short(now.others)],
        cache: [now.cache, bytes(now.cache), of(now.cache, causal.cache)],
        prefill: [now.prefill, seconds(now.prefill), of(now.prefill, causal.prefill)],
        decode: [now.decode, seconds(now.decode), of(now.decode, causal.decode)],
        fits: [String(now.fits), now.fits ? text.yes : text.no],
      };
    },
  );
  return topicPanel(
    figure,
    "cost",
    h("div", { class: "fw-row fw-controls" }, model.element, sharing.element, width.element),
    h(
      "div",
      { class: "fw-row fw-controls" },
      ...patternControls(figure, "cost"),
      wide.element,
      length.element,
    ),
    metrics,
    rival(figure),
    retrieval(figure),
    h(
      "div",
      { class: "fw-figure" },
      h("div", { class: "fw-caption" }, text.growth),
      places[0],
      h("div", { class: "fw-caption" }, text.memory),
      places[1],
    ),
    h("p", { class: "fw-source" }, text.machine),
  );
}

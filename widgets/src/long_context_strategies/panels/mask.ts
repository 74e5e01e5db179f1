// Who sees whom: the mask, and by how many layers the last token sees each.
import { range } from "../../base/controls";
import { h } from "../../base/dom";
import { player } from "../../base/player";
import { picture } from "../../base/shapes";
import { drawMask, drawStrip } from "../drawings/mask";
import {
  drawingWidth,
  metricTiles,
  onTopic,
  patternControls,
  patternSetting,
  topicPanel,
  visibleCells,
  type LongContextFigure,
} from "../figure";
import { percent } from "../units";

export function mask(figure: LongContextFigure): HTMLElement {
  const text = figure.text;
  const tokens = range(text.tokens, { min: 8, max: 96, step: 1 }, (value) => figure.set({ tokens: value }));
  const layers = range(text.layers, { min: 1, max: 16, step: 1 }, (value) => figure.set({ layers: value }));
  // Layer by layer, until the last token sees all that it ever will.
  layers.element.append(
    player({
      text,
      signal: figure.signal,
      every: 700,
      now: () => figure.state.layers - 1,
      last: () => Math.min(16, Math.max(1, ...figure.state.seenAfter)) - 1,
      show: (i) => figure.set({ layers: i + 1 }),
    }),
  );
  const drawn = h("div", { class: "fw-drawing" });
  const strip = h("div", { class: "fw-drawing" });
  const [paint, paintStrip] = [picture(drawn), picture(strip)];
  onTopic(figure, "mask", (state) => {
    tokens.set(state.tokens, String(state.tokens));
    layers.set(Math.min(16, state.layers), String(state.layers));
    const seen = visibleCells(state);
    paint(
      drawMask(state, drawingWidth(figure)),
      text.maskLabel(text.kinds[state.pattern.kind], state.tokens, seen, percent(seen / state.tokens ** 2)),
    );
    paintStrip(
      drawStrip(state, drawingWidth(figure)),
      text.stripLabel(Array.from(state.seenAfter, (after) => (after < 0 ? "·" : after)).join(" ")),
    );
  });
  const metrics = metricTiles(figure, ["cells", "share", "first", "path", "row"], "mask", (state) => {
    const seen = visibleCells(state);
    const share = seen / state.tokens ** 2;
    return {
      cells: [seen, String(seen), `/ ${state.tokens ** 2}`],
      share: [share, percent(share)],
      first: [state.seenAfter[0], text.layerCount(state.seenAfter[0])],
      path: [state.path.mean, state.path.mean.toFixed(2), text.ofAll(percent(state.path.share))],
      row: [seen / state.tokens, (seen / state.tokens).toFixed(1)],
    };
  });
  return topicPanel(
    figure,
    "mask",
    h("div", { class: "fw-row fw-controls" }, ...patternControls(figure, "mask")),
    h(
      "div",
      { class: "fw-row fw-controls" },
      patternSetting(figure, "mask", "window", 1, 48),
      patternSetting(figure, "mask", "dilation", 1, 8),
      patternSetting(figure, "mask", "anchors", 0, 8),
      patternSetting(figure, "mask", "random", 0, 8),
      patternSetting(figure, "mask", "seed", 0, 20),
      patternSetting(figure, "mask", "stride", 1, 32),
      patternSetting(figure, "mask", "sinks", 0, 8),
      tokens.element,
      layers.element,
    ),
    h(
      "div",
      { class: "fw-beside" },
      h(
        "div",
        { class: "fw-figure" },
        h("div", { class: "fw-caption" }, text.mask),
        drawn,
        h("div", { class: "fw-caption" }, text.strip),
        strip,
      ),
      metrics,
    ),
  );
}

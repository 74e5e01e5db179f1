// How positions turn: wavelengths, similarity over distance, resolution, and ALiBi beside them.
import { choice, range } from "../../base/controls";
import { h } from "../../base/dom";
import { picture } from "../../base/shapes";
import { drawAlibi, drawDecay, drawSharpness, drawWaves } from "../drawings/position";
import { drawingWidth, metricTiles, onTopic, topicPanel, type LongContextFigure } from "../figure";
import { methodRows } from "../methods";
import { alibiSlopes, alibiWindow, frequencies } from "../rotary";
import { ropes, SHOWN_METHODS } from "../state";
import { percent } from "../units";

const SCALES = Array.from({ length: 21 }, (_, i) => 2 ** (i / 4));

export function position(figure: LongContextFigure): HTMLElement {
  const text = figure.text;
  const names = Object.keys(ropes(figure.data));
  const rope = choice(
    text.rope,
    names.map((name) => text.ropes[name]),
    (i) => figure.set({ rope: names[i] }),
  );
  const method = choice(
    text.method,
    SHOWN_METHODS.map((name) => text.methods[name]),
    (i) => figure.set({ method: SHOWN_METHODS[i] }),
  );
  const scale = range(text.scale, { min: 0, max: SCALES.length - 1, step: 1 }, (i) =>
    figure.set({ scale: SCALES[i] }),
  );
  const places = [0, 1, 2, 3].map(() => h("div", { class: "fw-drawing" }));
  const [waves, decay, sharp, alibi] = places.map(picture);
  onTopic(figure, "position", (state) => {
    const { rotary } = state;
    const which = names.indexOf(String(figure.model.get("rope")));
    rope.set(Math.max(0, which));
    method.set(SHOWN_METHODS.indexOf(rotary.method));
    scale.set(
      SCALES.reduce(
        (best, value, i) =>
          Math.abs(value - rotary.factor) < Math.abs(SCALES[best] - rotary.factor) ? i : best,
        0,
      ),
      `${Number(rotary.factor.toPrecision(3))}×`,
    );
    const width = drawingWidth(figure);
    const speeds = frequencies(rotary);
    waves(
      drawWaves(state, text, width),
      text.wavesLabel(Array.from(speeds, (speed) => ((2 * Math.PI) / speed).toPrecision(3)).join(", ")),
    );
    decay(
      drawDecay(state, text, width),
      text.decayLabel(`${text.methods[rotary.method]}, ${Number(rotary.factor.toPrecision(3))}×`),
    );
    const rows = methodRows(rotary);
    sharp(
      drawSharpness(rows, rotary.method, text, width),
      text.sharpnessLabel(
        rows.map((row) => `${text.methods[row.method]} ${row.resolution.toPrecision(2)}`).join(", "),
      ),
    );
    const heads = ropes(figure.data)[names[Math.max(0, which)]].heads;
    alibi(
      drawAlibi(state, heads, text, width),
      text.alibiLabel(
        Array.from(alibiWindow(alibiSlopes(Math.min(16, heads))), (window) => window.toPrecision(3)).join(
          ", ",
        ),
      ),
    );
  });
  const metrics = metricTiles(
    figure,
    ["resolution", "temperature", "unfinished", "closest"],
    "position",
    ({ rotary }) => {
      const rows = methodRows(rotary);
      const now = rows.find((row) => row.method === rotary.method)!;
      return {
        resolution: [
          now.resolution,
          now.resolution.toPrecision(3),
          percent(now.resolution / rows[0].resolution),
        ],
        temperature: [now.temperature, now.temperature.toFixed(3)],
        unfinished: [now.unfinished, String(now.unfinished), `/ ${rotary.headDim / 2}`],
        closest: [now.closest, String(now.closest)],
      };
    },
  );
  const captions = [text.waves, text.decay, text.sharpness, text.alibi];
  return topicPanel(
    figure,
    "position",
    h("div", { class: "fw-row fw-controls" }, rope.element, method.element, scale.element),
    h(
      "div",
      { class: "fw-figure" },
      ...places.flatMap((place, i) => [h("div", { class: "fw-caption" }, captions[i]), place]),
    ),
    metrics,
  );
}

// All drawings of a topic under each other, for the downloaded files.
import { label, sheet, svg, type Drawing, type Shape } from "../../base/shapes";
import { bill } from "../bill";
import type { LongContextFigure } from "../figure";
import { methodRows } from "../methods";
import type { State } from "../state";
import { drawMemory, drawTime } from "./cost";
import { drawLoss, drawRecall } from "./measured";
import { drawMask, drawStrip } from "./mask";
import { drawAlibi, drawDecay, drawSharpness, drawWaves } from "./position";

/** Drawings under each other with their captions, for the downloaded files. */
function drawAll(title: string, parts: [string, Drawing][], width: number): Drawing {
  const pad = 16;
  let y = pad + 12;
  const shapes: Shape[] = [label(pad, y, title, { "font-weight": 600, "font-size": 13 })];
  for (const [caption, drawing] of parts) {
    y += 26;
    shapes.push(label(pad, y, caption, { "font-weight": 600 }));
    shapes.push({ ...drawing, attributes: { ...drawing.attributes, x: pad, y: y + 8 } });
    y += 8 + Number(drawing.attributes.height);
  }
  const height = y + pad;
  return sheet(
    width,
    height,
    svg("title", {}, title),
    svg("rect", { x: 0, y: 0, width, height, fill: "var(--fw-surface)" }),
    ...shapes,
  );
}

export function file(figure: LongContextFigure, state: State): Drawing {
  const text = figure.text;
  const width = 728;
  const parts = (): [string, Drawing][] => {
    switch (state.topic) {
      case "mask":
        return [
          [`${text.mask} · ${text.kinds[state.pattern.kind]}`, drawMask(state, width)],
          [text.strip, drawStrip(state, width)],
        ];
      case "position":
        return [
          [text.waves, drawWaves(state, text, width)],
          [text.decay, drawDecay(state, text, width)],
          [text.sharpness, drawSharpness(methodRows(state.rotary), state.rotary.method, text, width)],
          [text.alibi, drawAlibi(state, figure.data.heads, text, width)],
        ];
      case "measured":
        return [
          [`${text.recall} · ${text.groups[state.group]}`, drawRecall(state, text, width)],
          [`${text.loss} · ${text.groups[state.group]}`, drawLoss(state, text, width)],
        ];
      default: {
        const found = bill(state);
        return [
          [text.growth, drawTime(state, text, found, width)],
          [text.memory, drawMemory(state, text, found, width)],
        ];
      }
    }
  };
  return drawAll(`${text.title} · ${text.topics[state.topic]}`, parts(), 760);
}

// The token's way through all layers.
import { h, setText } from "../../base/dom";
import { number } from "../../base/figure";
import { picture } from "../../base/shapes";
import { columns } from "../drawings/columns";
import { drawPath } from "../drawings/path";
import { drawingWidth, pathOf, type RoutingFigure } from "../figure";

export function path(figure: RoutingFigure): HTMLElement[] {
  const text = figure.text;
  if (figure.data.layers < 2) return [];
  const caption = h("div", { class: "fw-caption" });
  const place = h("div", { class: "fw-drawing fw-path" });
  const paint = picture(place);
  place.addEventListener(
    "click",
    (event) => {
      const row = (event.target as Element).closest<SVGElement>("[data-layer]");
      if (row) figure.set({ layer: Number(row.dataset.layer) });
    },
    { signal: figure.signal },
  );
  const line = h("p", { class: "fw-line" });
  figure.on((state) => {
    const way = pathOf(state);
    const token = figure.data.labels[state.token];
    const said = way.chosen.map((chosen, layer) =>
      text.pathLayer(
        layer,
        [...chosen].map((e, rank) => `E${e} ${way.weights[layer][rank].toFixed(2)}`).join(", "),
      ),
    );
    setText(caption, text.path(token));
    paint(
      drawPath(state, text, way, columns(drawingWidth(figure), figure.data.experts)),
      text.pathLabel(token, said.join("; ")),
    );
    line.replaceChildren(
      way.chosen.map((chosen) => `E${chosen[0]}`).join(" → "),
      ": ",
      number(way.alike, 0, "alike"),
      " ",
      text.alike(figure.data.tokens.length),
    );
  });
  return [h("div", {}, caption, place, line)];
}

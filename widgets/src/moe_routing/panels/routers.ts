// Six routers side by side on the same scores.
import { h, setAttribute, setText } from "../../base/dom";
import type { RoutingFigure } from "../figure";
import { compareRouters, ROUTERS } from "../routers";
import { folded, scrolling } from "./folded";

export function routers(figure: RoutingFigure): HTMLElement {
  return folded(figure, figure.text.routers.title, (details) => routerTable(figure, details));
}

function routerTable(figure: RoutingFigure, details: HTMLDetailsElement): HTMLElement[] {
  const text = figure.text;
  const { experts } = figure.data;
  const names = ["balanceLoss", "cv", "entropy", "dropFraction", "unserved"] as const;
  const rows = ROUTERS.map((name) => {
    const bars = Array.from({ length: experts }, (_, e) => h("span", { class: `fw-hue-${e % 8}` }));
    const load = h("span", { class: "fw-loads", role: "img" }, ...bars);
    const values = names.map((value) => h("data", { "data-router": `${name}-${value}` }));
    const element = h(
      "tr",
      {},
      h("th", { scope: "row" }, text.routers.names[name]),
      h("td", {}, load),
      ...values.map((value) => h("td", {}, value)),
    );
    return { bars, load, values, element };
  });
  const head = h("tr", {}, ...text.routers.columns.map((column) => h("th", { scope: "col" }, column)));
  const caption = h("caption", { class: "fw-hidden" }, text.routers.title);
  const scroll = scrolling(
    figure,
    text.routers.title,
    h("table", {}, caption, h("thead", {}, head), h("tbody", {}, ...rows.map(({ element }) => element))),
  );
  let key = "";
  figure.on(({ data, scores, snapshot, layer, options }) => {
    const next = [snapshot, layer, options.capacityFactor].join();
    if (next === key || !details.open) return; // 400 steps of the bias are nothing to do in vain
    key = next;
    compareRouters(scores, data.tokens.length, experts, options.capacityFactor).forEach((found, i) => {
      const { bars, load, values } = rows[i];
      const most = Math.max(...found.counts, 1);
      bars.forEach((bar, e) => bar.style.setProperty("--v", String(found.counts[e] / most)));
      setAttribute(load, "aria-label", [...found.counts].map((n, e) => `E${e} ${n}`).join(", "));
      values.forEach((value, j) => {
        const exact = found[names[j]];
        setAttribute(value, "value", String(exact));
        setText(value, j < 3 ? exact.toFixed(2) : `${(100 * exact).toFixed(0)}%`);
      });
    });
  });
  return [scroll, h("p", { class: "fw-line" }, text.routers.note)];
}

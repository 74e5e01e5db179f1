// Probabilities with their names, each with a bar.
import { h } from "../base/dom";

export function bars(named: readonly (readonly [name: string, p: number])[]): HTMLElement {
  return h(
    "ol",
    {},
    ...named.map(([name, p]) => {
      const bar = h("span", { class: "fw-next-bar", "aria-hidden": "true" });
      bar.style.setProperty("--v", String(p));
      return h("li", {}, h("span", { class: "fw-token" }, name), bar, h("data", { value: p }, p.toFixed(3)));
    }),
  );
}

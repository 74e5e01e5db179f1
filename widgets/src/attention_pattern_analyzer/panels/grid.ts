// Every head as a small picture with what it is.
import { h, setAttribute, setText } from "../../base/dom";
import { roving, setTabStop } from "../../base/keyboard";
import { inkOf, kindFill, paint, thumbnail } from "../draw";
import type { HeadsFigure, Place } from "../figure";
import { KINDS } from "../patterns";
import type { Head, Reading } from "../reading";
import { dimmed, lensValue } from "../state";

/** Cells of a small picture across. */
const THUMB = 24;

export function grid(figure: HeadsFigure, preview: (at: Place | null) => void): HTMLElement {
  const text = figure.text;
  const list = h("div", {
    class: "fw-grid",
    role: "listbox",
    "aria-label": text.grid,
    "aria-orientation": "horizontal",
  });
  let reading: Reading | null = null;
  let theme = "";
  let cells: HTMLElement[] = [];
  const at = (index: number): { layer: number; head: number } => ({
    layer: Math.floor(index / reading!.weights.heads),
    head: index % reading!.weights.heads,
  });
  const indexOf = (target: EventTarget | null): number =>
    cells.indexOf((target as Element).closest<HTMLElement>("[data-head]")!);
  list.addEventListener(
    "pointerover",
    (event) => {
      const index = indexOf(event.target);
      if (event.pointerType === "mouse") preview(index < 0 ? null : at(index));
    },
    { signal: figure.signal },
  );
  list.addEventListener("pointerleave", () => preview(null), { signal: figure.signal });
  list.addEventListener(
    "click",
    (event) => {
      const index = indexOf(event.target);
      if (index >= 0) figure.set(at(index));
    },
    { signal: figure.signal },
  );
  roving(list, {
    items: () => cells,
    move: (index) => figure.set(at(index)),
    activate: (index) => figure.set(at(index)),
    release: () => preview(null),
    segments: () =>
      Array.from({ length: reading?.weights.layers ?? 0 }, (_, layer) => layer * reading!.weights.heads),
    signal: figure.signal,
  });
  figure.on((state) => {
    if (reading !== state.reading) {
      reading = state.reading;
      theme = "";
      list.style.setProperty("--fw-heads", String(reading.weights.heads));
      list.classList.toggle("fw-many", reading.weights.heads > 6);
      cells = reading.heads.map(({ layer, head }) =>
        h(
          "div",
          { class: "fw-head", role: "option", "data-head": `${layer}.${head}` },
          h("canvas", { "aria-hidden": "true" }),
          h("span", { class: "fw-badge", "aria-hidden": "true" }),
          h("span", { class: "fw-hidden" }),
        ),
      );
      list.replaceChildren(...cells);
    }
    const now = figure.root.dataset.fwTheme ?? "";
    if (theme !== now && figure.root.isConnected) {
      theme = now;
      const ink = inkOf(figure.root);
      reading.heads.forEach(({ layer, head }, i) => {
        const small = thumbnail(reading!, layer, head, THUMB);
        paint(cells[i].firstChild as HTMLCanvasElement, small.values, small.rows, small.columns, ink);
      });
    }
    const values = reading.heads.map((one) => lensValue(state.reading, one, state.lens, state.removal));
    const most = Math.max(1e-9, ...values.filter(Number.isFinite).map(Math.abs));
    reading.heads.forEach((one, i) => {
      const cell = cells[i];
      const chosen = one.layer === state.layer && one.head === state.head;
      const value = Number.isFinite(values[i]) ? values[i].toFixed(2) : state.lens === "pattern" ? "" : "–";
      setAttribute(cell, "class", `fw-head${dimmed(state, one) ? " fw-dim" : ""}`);
      setAttribute(cell, "aria-selected", String(chosen));
      cell.style.setProperty("--fw-kind", kindFill(one));
      cell.style.setProperty(
        "--fw-part",
        String(Number.isFinite(values[i]) ? Math.abs(values[i]) / most : 0),
      );
      setAttribute(
        cell,
        "data-lens",
        state.lens === "pattern" ? "pattern" : values[i] < 0 ? "less" : "value",
      );
      setText(cell.children[1], state.lens === "pattern" ? text.letters[one.kind] : value);
      setText(
        cell.children[2],
        text.cellLabel(text.headName(one.layer, one.head), text.kinds[one.kind], value),
      );
    });
    setTabStop(cells, state.layer * reading.weights.heads + state.head);
  });
  const legend = h(
    "p",
    { class: "fw-legend" },
    ...[...KINDS, "mixed" as const].map((kind) => {
      const mark = h("span", { class: "fw-badge" }, text.letters[kind]);
      mark.style.setProperty("--fw-kind", kindFill({ kind } as Head));
      return h("span", { class: "fw-legend-item" }, mark, ` ${text.kinds[kind]}`);
    }),
  );
  return h(
    "div",
    { class: "fw-panel fw-grid-panel" },
    h("div", { class: "fw-caption" }, text.grid),
    list,
    legend,
  );
}

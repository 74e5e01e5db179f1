// Every chart has a table with the same numbers.
import { h } from "./dom";

export interface TableData {
  caption: string;
  columns: string[];
  /** The first cell of a row is its header. */
  rows: (string | number)[][];
}

export function dataTable(data: TableData): HTMLElement {
  const table = h(
    "table",
    { class: "fw-table" },
    h("caption", {}, data.caption),
    h("thead", {}, h("tr", {}, ...data.columns.map((name) => h("th", { scope: "col" }, name)))),
    h(
      "tbody",
      {},
      ...data.rows.map((row) =>
        h(
          "tr",
          {},
          ...row.map((cell, i) =>
            i === 0
              ? h("th", { scope: "row" }, String(cell))
              : h(
                  "td",
                  { class: typeof cell === "number" || /^[+−-]?[\d.]+%?$/.test(cell) ? "fw-number" : null },
                  String(cell),
                ),
          ),
        ),
      ),
    ),
  );
  return h("div", { class: "fw-scroll", tabindex: 0, role: "region", "aria-label": data.caption }, table);
}

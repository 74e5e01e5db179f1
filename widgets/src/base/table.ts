// Every chart has a table with the same numbers.
import { h } from "./dom";

export interface TableData {
  caption: string;
  columns: string[];
  /** The first cell of a row is its header. */
  rows: (string | number)[][];
}

const isNumber = (cell: string | number) => typeof cell === "number" || /^[+−-]?[\d.]+%?$/.test(cell);

export function dataTable(data: TableData): HTMLElement {
  // A column with numbers stands on the right, its header too.
  const side = data.columns.map((_, i) =>
    i > 0 && data.rows.some((row) => isNumber(row[i] ?? "")) ? "fw-number" : null,
  );
  const table = h(
    "table",
    { class: "fw-table" },
    h("caption", {}, data.caption),
    h(
      "thead",
      {},
      h("tr", {}, ...data.columns.map((name, i) => h("th", { scope: "col", class: side[i] ?? null }, name))),
    ),
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
              : h("td", { class: side[i] ?? null }, String(cell)),
          ),
        ),
      ),
    ),
  );
  return h("div", { class: "fw-scroll", tabindex: 0, role: "region", "aria-label": data.caption }, table);
}

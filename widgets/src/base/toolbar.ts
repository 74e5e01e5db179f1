// The row under every component: table view and downloads.
import { button } from "./controls";
import { h, setAttribute } from "./dom";
import { errorBox, type LiveSummary } from "./messages";
import { download, standaloneSvg, toPng } from "./save";
import { toElement, type Drawing } from "./shapes";
import { BASE_STRINGS, type Language } from "./strings";

export interface Toolbar {
  language: Language;
  root: HTMLElement;
  live: LiveSummary;
  /** Of the files, without ending. */
  name: string;
  tableView: string;
  toggleTable(): void;
  /** The whole figure as one drawing. */
  draw(): Drawing;
  csv(): string;
}

export function toolbar({ language, root, live, name, tableView, toggleTable, draw, csv }: Toolbar): {
  element: HTMLElement;
  set(table: boolean): void;
} {
  const base = BASE_STRINGS[language];
  const table = button(tableView, toggleTable);
  const save = (kind: string, make: () => Promise<void> | void): HTMLButtonElement =>
    button(
      kind,
      () => {
        Promise.resolve()
          .then(make)
          .then(
            () => live.say(base.saved(`${name}.${kind.toLowerCase()}`)),
            (error: unknown) => {
              console.error("[frontier]", error);
              root.append(errorBox(base.error, error instanceof Error ? error.message : String(error)));
            },
          );
      },
      base.save(kind),
    );
  const drawing = (): { svg: string; width: number; height: number } => {
    const figure = draw();
    return {
      svg: standaloneSvg(toElement(figure), root),
      width: Number(figure.attributes.width),
      height: Number(figure.attributes.height),
    };
  };
  return {
    element: h(
      "div",
      { class: "fw-row fw-tools" },
      table,
      save("SVG", () => download(`${name}.svg`, drawing().svg, "image/svg+xml")),
      save("PNG", async () => {
        const { svg, width, height } = drawing();
        download(`${name}.png`, await toPng(svg, width, height));
      }),
      save("CSV", () => download(`${name}.csv`, csv(), "text/csv")),
    ),
    set: (on) => setAttribute(table, "aria-pressed", String(on)),
  };
}

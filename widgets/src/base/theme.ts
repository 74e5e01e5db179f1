// Which scheme the surrounding page is in. The CSS reads
// data-fw-theme; canvas or export code asks resolvedColors.

export type Theme = "light" | "dark";

export function pageTheme(doc: Document = document): Theme {
  const html = doc.documentElement;
  const body = doc.body;
  // The first is pydata's and Jupyter Book's, the second Colab's.
  const named = html.getAttribute("data-theme") ?? html.getAttribute("theme");
  if (named === "dark" || named === "light") return named;
  const lab = body?.getAttribute("data-jp-theme-light"); // JupyterLab and Notebook 7
  if (lab === "true" || lab === "false") return lab === "true" ? "light" : "dark";
  if (body?.matches(".vscode-dark, .vscode-high-contrast:not(.vscode-high-contrast-light)")) return "dark";
  if (body?.matches(".vscode-light, .vscode-high-contrast-light")) return "light";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Keep `root[data-fw-theme]` equal to the page's theme until the signal aborts. */
export function followTheme(root: HTMLElement, signal: AbortSignal): void {
  const apply = (): void => root.setAttribute("data-fw-theme", pageTheme());
  const observer = new MutationObserver(apply);
  const options = {
    attributes: true,
    attributeFilter: ["data-theme", "theme", "class", "data-jp-theme-light"],
  };
  observer.observe(document.documentElement, options);
  if (document.body) observer.observe(document.body, options);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  apply();
}

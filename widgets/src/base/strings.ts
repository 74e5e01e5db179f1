// Chinese and English texts. A component holds one table;
// both languages must have the same keys and arguments.

export type Language = "zh" | "en";

/** The trait if it names a language, else the page's language, else Chinese. */
export function pickLanguage(trait: unknown, doc: Document = document): Language {
  if (trait === "zh" || trait === "en") return trait;
  return /^en\b/i.test(doc.documentElement.lang) ? "en" : "zh";
}

/** Follow changes of the page's own language until the signal aborts. */
export function followLanguage(changed: () => void, signal: AbortSignal): void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["lang"] });
  signal.addEventListener("abort", () => observer.disconnect());
}

/** Texts of every component's toolbar. */
export const BASE_STRINGS = {
  zh: {
    figure: "图",
    table: "表格",
    view: "视图",
    exports: "导出",
    error: "出错了",
    save: (kind: string) => `下载 ${kind}`,
    saved: (file: string) => `已生成 ${file}`,
    story: "带我看一遍",
    endStory: "结束导览",
    previous: "上一步",
    next: "下一步",
    step: (step: number, of: number) => `第 ${step} 步，共 ${of} 步`,
  },
  en: {
    figure: "Figure",
    table: "Table",
    view: "View",
    exports: "Export",
    error: "Something is wrong",
    save: (kind: string) => `Download ${kind}`,
    saved: (file: string) => `${file} is ready`,
    story: "Show me around",
    endStory: "End the tour",
    previous: "Back",
    next: "Next",
    step: (step: number, of: number) => `Step ${step} of ${of}`,
  },
};

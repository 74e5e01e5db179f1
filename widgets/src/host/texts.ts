// What the host itself says. Both languages stand together where the page does not say which one it is in.

export interface Text {
  zh: string;
  en: string;
}

export const TEXTS = {
  failed: { zh: "这个图没有装上", en: "This figure did not load" },
  kernel: (what: string): Text => ({
    zh: `此控件（${what}）需要正在运行的内核：请在 Jupyter 或 Colab 中打开本页的笔记本。`,
    en: `This control (${what}) needs a running kernel: open the page's notebook in Jupyter or Colab.`,
  }),
  state: (id: string): Text => ({
    zh: `页面没有保存控件 ${id} 的状态：请重新执行笔记本并保存控件状态。`,
    en: `The page holds no state of widget ${id}: run the notebook again and save its widget state.`,
  }),
  unknown: (name: string, known: string): Text => ({
    zh: `没有名为“${name}”的组件；已有：${known}。`,
    en: `There is no component named "${name}"; there are: ${known}.`,
  }),
  source: (name: string): Text => ({
    zh: `控件 ${name} 的代码既不在页面里，也不在组件表里。`,
    en: `The code of widget ${name} is neither in the page nor in the registry of components.`,
  }),
  props: (name: string, why: string): Text => ({
    zh: `组件 ${name} 的 data-props 不是 JSON 对象：${why}`,
    en: `data-props of component ${name} is not a JSON object: ${why}`,
  }),
  data: (name: string): Text => ({
    zh: `页面中 ${name} 的数据与组件包自带的数据不一致：请重新执行笔记本。`,
    en: `The page was made with other data of ${name} than the package has now: run the notebook again.`,
  }),
};

export function say(text: Text): string {
  const lang = document.documentElement.lang;
  if (/^zh/i.test(lang)) return text.zh;
  if (/^en/i.test(lang)) return text.en;
  return `${text.zh} ${text.en}`;
}

/** An error whose message is written for the reader of the page. */
export class ReaderError extends Error {
  constructor(text: Text) {
    super(say(text));
  }
}

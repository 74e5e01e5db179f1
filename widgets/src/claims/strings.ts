// What a card says beside its note.

export const STRINGS = {
  zh: {
    title: (number: string) => `证据 ${number}`,
    close: "关闭",
    note: "全部证据",
    again: "在这里重新量一次",
    more: "再量一次",
    fresh: "新抽的是：",
    loading: "正在载入模型……",
    progress: (done: number, count: number) => `已读 ${done} / ${count}`,
    one: (value: string, count: number) => `在你的浏览器里量得 ${value}（${count} 个新输入，图上的菱形）。`,
    all: (value: string, low: string, high: string, count: number) =>
      `合计 ${count} 个新输入：${value}，95 % 区间 ${low} 到 ${high}。`,
    between: "",
    failed: (why: string) => `没有量成：${why}`,
  },
  en: {
    title: (number: string) => `Evidence ${number}`,
    close: "Close",
    note: "All the evidence",
    again: "Measure it again here",
    more: "Measure once more",
    fresh: "Drawn afresh: ",
    loading: "Loading the model…",
    progress: (done: number, count: number) => `${done} of ${count} read`,
    one: (value: string, count: number) =>
      `Your browser measured ${value} (${count} fresh inputs; the diamond on the line).`,
    all: (value: string, low: string, high: string, count: number) =>
      `All ${count} fresh inputs together: ${value}, 95 % interval ${low} to ${high}.`,
    between: " ",
    failed: (why: string) => `It could not be measured: ${why}`,
  },
};

export type Strings = (typeof STRINGS)["zh"];

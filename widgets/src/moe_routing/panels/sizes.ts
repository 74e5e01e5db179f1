// Total and active parameters: a published model, its number of
// experts, how many a token takes, how finely they are split.
import { choice, range } from "../../base/controls";
import { h } from "../../base/dom";
import type { Language } from "../../base/strings";
import { MIXTURES, sizes, type Sizes } from "../sizes";

const zh = {
  title: "总参数与激活参数",
  model: "模型",
  book: "本书的小模型",
  experts: "每层的专家数 E",
  topK: "每个词元用几个 k",
  granularity: "每个专家再切成几份 m",
  back: (own: string) => `${own}（原样）`,
  total: "总参数",
  active: "每个词元用到",
  operations: "每个词元的运算",
  bytes: "bfloat16 权重",
  sets: "一层里可选的组合",
  share: (percent: string) => `占 ${percent}`,
  cards: (count: number) => `只放权重，也要 ${count} 块 80 GB 的卡`,
  cell: "约为激活参数的两倍，不含注意力的格子",
  bars: { other: "人人都用：嵌入、注意力、共享专家", taken: "选中的专家", idle: "没选中的专家" },
  barLabel: (other: string, taken: string, idle: string) =>
    `人人都用 ${other}，选中的专家 ${taken}，没选中的专家 ${idle}`,
  note:
    "尺寸来自公开的配置，按 transformers 的类逐个参数数出来。嵌入表整张算作用到；OpenAI 不把它算进去，所以说 gpt-oss 用 5.1 B。再切成 m 份、选的个数也乘 m，" +
    "参数与运算几乎不变（只有路由器多几行），可选的组合却猛增：这是 DeepSeekMoE 的想法。",
};
type Strings = typeof zh;
const en: Strings = {
  title: "Total and active parameters",
  model: "Model",
  book: "this book's",
  experts: "Experts of a layer E",
  topK: "Taken by a token k",
  granularity: "Each split into m",
  back: (own) => `${own} (as published)`,
  total: "Parameters",
  active: "Used by a token",
  operations: "Operations a token",
  bytes: "Weights in bfloat16",
  sets: "Sets to choose from in a layer",
  share: (percent) => `${percent} of all`,
  cards: (count) => `the weights alone need ${count} cards of 80 GB`,
  cell: "about twice the active parameters, without attention's cells",
  bars: {
    other: "used by all: embeddings, attention, shared experts",
    taken: "experts taken",
    idle: "experts not taken",
  },
  barLabel: (other, taken, idle) => `used by all ${other}, experts taken ${taken}, experts not taken ${idle}`,
  note:
    "Sizes from published configurations, counted parameter by parameter on transformers' classes. The " +
    "whole table of embeddings counts as used; OpenAI leaves it out, hence its 5.1 B for gpt-oss. " +
    "Splitting every expert into m and taking m times as many leaves parameters and operations as they " +
    "are but for rows of the router, and multiplies the sets to choose from: the idea of DeepSeekMoE.",
};
const STRINGS: Record<Language, Strings> = { zh, en };

const NAMES = Object.keys(MIXTURES);
const EXPERTS = [2, 4, 8, 16, 32, 64, 128, 256, 512];
const GRANULARITIES = [1, 2, 4, 8, 16];
const MOST_TAKEN = 16;

/** Three digits and the name of the thousands: parameters come in billions, bytes and operations in giga. */
function amount(value: number, billion: "B" | "G" = "B"): string {
  const names = ["", "k", "M", billion, "T"];
  const step = Math.min(names.length - 1, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** step).toPrecision(3)} ${names[step]}`;
}

/** How many sets, from their decimal logarithm. */
function ways(log10: number): string {
  if (log10 < 6) return Math.round(10 ** log10).toLocaleString("en");
  const whole = Math.floor(log10);
  return `${(10 ** (log10 - whole)).toFixed(1)}·10^${whole}`;
}

export const sizesTitle = (language: Language): string => STRINGS[language].title;

export function sizesPanel(language: Language): HTMLElement[] {
  const text = STRINGS[language];
  let name = "Mixtral-8x7B";
  let change = { experts: MIXTURES[name].experts, topK: MIXTURES[name].topK, granularity: 1 };

  const take = (values: Partial<typeof change>): void => {
    change = { ...change, ...values };
    change.topK = Math.min(change.topK, change.experts);
    show();
  };
  const model = choice(
    text.model,
    NAMES.map((one) => (one === "book" ? text.book : one)),
    (i) => {
      name = NAMES[i];
      take({ experts: MIXTURES[name].experts, topK: MIXTURES[name].topK, granularity: 1 });
    },
  );
  const experts = range(text.experts, { min: 0, max: EXPERTS.length - 1, step: 1 }, (i) =>
    take({ experts: EXPERTS[i] }),
  );
  const topK = range(text.topK, { min: 1, max: MOST_TAKEN, step: 1 }, (k) => take({ topK: k }));
  const granularity = range(text.granularity, { min: 0, max: GRANULARITIES.length - 1, step: 1 }, (i) =>
    take({ granularity: GRANULARITIES[i] }),
  );

  const bar = h(
    "div",
    { class: "fw-sizes", role: "img" },
    ...(["other", "taken", "idle"] as const).map((part) => h("span", { class: `fw-sizes-${part}` })),
  );
  const legend = h(
    "p",
    { class: "fw-line" },
    ...(["other", "taken", "idle"] as const).map((part) =>
      h("span", { class: "fw-sizes-key" }, h("i", { class: `fw-sizes-${part}` }), text.bars[part]),
    ),
  );
  const values = (["total", "active", "operations", "bytes", "sets"] as const).map((key) => {
    const value = h("data", { "data-name": `sizes-${key}` });
    const note = h("small");
    return { key, value, note, element: h("div", {}, h("dt", {}, text[key]), h("dd", {}, value, " ", note)) };
  });

  const show = (): void => {
    const mixture = MIXTURES[name];
    const found: Sizes = sizes(mixture, change);
    const each = mixture.layers * mixture.expert;
    const parts = [
      found.active - each * change.topK,
      each * change.topK,
      each * (change.experts - change.topK),
    ];
    const named = (value: number, own: number): string =>
      value === own ? text.back(String(value)) : String(value);
    model.set(NAMES.indexOf(name));
    experts.set(EXPERTS.indexOf(change.experts), named(change.experts, mixture.experts));
    topK.set(change.topK, named(change.topK, mixture.topK), Math.min(MOST_TAKEN, change.experts));
    granularity.set(GRANULARITIES.indexOf(change.granularity), named(change.granularity, 1));
    for (const [i, part] of [...bar.children].entries())
      (part as HTMLElement).style.setProperty("--v", String(parts[i] / found.total));
    bar.setAttribute(
      "aria-label",
      text.barLabel(amount(parts[0]), amount(parts[1]), parts[2] ? amount(parts[2]) : "0"),
    );
    const shown = {
      total: [found.total, amount(found.total), ""],
      active: [
        found.active,
        amount(found.active),
        text.share(`${((100 * found.active) / found.total).toFixed(1)}%`),
      ],
      operations: [found.operations, `${amount(found.operations, "G")}FLOP`, text.cell],
      bytes: [found.bytes, `${amount(found.bytes, "G")}B`, text.cards(Math.ceil(found.bytes / 80e9))],
      sets: [found.log10Sets, ways(found.log10Sets), ""],
    } as const;
    for (const { key, value, note } of values) {
      const [exact, said, remark] = shown[key];
      value.value = String(exact);
      value.textContent = said;
      note.textContent = remark;
    }
  };
  show();
  return [
    h("div", { class: "fw-row" }, model.element),
    h("div", { class: "fw-row fw-controls" }, experts.element, topK.element, granularity.element),
    bar,
    legend,
    h("dl", { class: "fw-metrics" }, ...values.map(({ element }) => element)),
    h("p", { class: "fw-line" }, text.note),
  ];
}

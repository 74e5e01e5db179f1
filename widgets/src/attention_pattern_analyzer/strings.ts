import type { Lens, Removal, Weighting } from "./state";
import type { KindName, Metric } from "./patterns";
import type { Language } from "../base/strings";

type AnyKind = KindName | "mixed";

const zh = {
  title: "注意力头分析",
  example: "文本与模型", versus: "和谁比", none: "不比", typedTitle: "你的句子",
  lens: "网格里看", removal: "拿掉的办法", removals: { zero: "置零", mean: "换成平均" } as Record<Removal, string>,
  patternLens: "图样", lossLens: "拿掉后损失变多少", divergenceLens: "拿掉后预测变多少",
  grid: "每一格是一个头：一行一层，从左到右是各个头",
  headName: (layer: number, head: number) => `第 ${layer} 层第 ${head} 头`,
  cellLabel: (name: string, kind: string, value: string) => `${name}，${kind}${value ? `，${value}` : ""}`,
  kinds: {
    previous: "看前一个词元", induction: "归纳", first: "看第一个词元", self: "看自己", duplicate: "看相同的词元", delimiter: "看分隔符", local: "看附近", uniform: "平均地看", mixed: "不属于任何一类",
  } as Record<AnyKind, string>,
  letters: { previous: "前", induction: "归", first: "首", self: "自", duplicate: "同", delimiter: "隔", local: "近", uniform: "匀", mixed: "杂" } as Record<AnyKind, string>,
  metrics: {
    previous: "看前一个词元", induction: "归纳", first: "看第一个词元", self: "看自己", duplicate: "看相同的词元", delimiter: "看分隔符", local: "看附近", uniform: "平均", entropy: "熵（nat）", distance: "平均距离（词元）", sink: "第一个词元得到的份额",
  } as Record<Metric, string>,
  definitionsTitle: "这些数怎么算",
  definitions: {
    previous: "落在前一个词元上的注意力。", induction: "落在“上次出现同一词元之后的那个词元”上的注意力。", first: "落在第一个词元上的注意力。", self: "落在自己身上的注意力。",
    duplicate: "落在别处同一词元上的注意力。", delimiter: "落在标点、换行、[SEP] 一类词元上的注意力（第一个词元不算）。", local: "落在前后 4 个词元以内的注意力（自己不算）。",
    uniform: "熵占最大可能的熵的比例。", entropy: "各行注意力的熵，取平均。", distance: "注意力走多远：∑ α·|t−s|，取平均。", sink: "第一个词元得到的注意力，取平均，不扣基线。",
  } as Record<Metric, string>,
  scoreNote: "前七个分数都扣掉了“平均地看”会得到的份额再归一：1 是全部落在那里，0 是不比平均多。最高的特征分达到 0.4 就归入那一类，否则附近分达到 0.4 算“看附近”，熵达到 0.9 算“平均地看”。",
  weighting: "画什么", weightings: { raw: "注意力 α", value: "‖α·v‖", rollout: "逐层累积" } as Record<Weighting, string>,
  missing: { norms: "这个模型的 v 的长度不知道，不能按它加权。", cross: "交叉注意力没有逐层累积。", long: "文本太长，不做逐层累积。" },
  residual: "残差占多少",
  direction: "方向", directions: ["它看谁", "谁看它"],
  heat: (name: string, what: string, length: number) => `${name}的${what}热力图，${length} 行；横向是被看的，纵向是在看的。`,
  heatDifference: (name: string, other: string) => `${name}：当前减去「${other}」之差。`,
  cell: (from: string, to: string, weight: string) => `「${from}」→「${to}」：${weight}`,
  hover: "把指针放在热力图上读数；点一下选中那一行的词元。",
  tokens: (direction: string) => `词元（${direction}：底色越深越多）`, keys: "被看的词元",
  tokenLabel: (index: number, weight: string) => `，第 ${index} 个，${weight}`,
  chosen: (token: string, index: number, parts: string, from: boolean) => (from ? `第 ${index} 个词元「${token}」看得最多的：${parts}` : `看第 ${index} 个词元「${token}」最多的：${parts}`),
  preview: "（指针停留处，点一下锁定）",
  scatter: "所有的头", xAxis: "横轴", yAxis: "纵轴", brushed: (count: number, all: number) => `圈中 ${count} / ${all} 个头`, brushHint: "在图上拖出一个框，网格里只留框中的头；也可以填数。",
  brushBounds: ["横轴从", "到", "纵轴从", "到"], clear: "取消",
  scatterLabel: (text: string) => `各头的散点图：${text}`,
  worth: "拿掉这个头", worthLoss: (removal: string, loss: string, divergence: string) => `${removal}：损失变化 ${loss} nat，预测变化（KL）${divergence} nat。`, worthDivergence: (removal: string, divergence: string) => `${removal}：预测变化（KL）${divergence} nat。`,
  worthUnknown: "没有量过拿掉这个头会怎样。",
  off: "在你的句子上关掉这个头", offResult: (before: string, after: string) => `这句话每个词元的损失：${before} → ${after}（变化 `, offEnd: "）",
  offNext: (token: string) => `读完「${token}」，关掉之后模型认为下一个词元是`,
  versusNone: "两份的词元数或头数不同，画不出差；下面是另一份的同一个头。",
  summary: (name: string, kind: string, top: string) => `${name}，${kind}。${top}`,
  table: "所有的头", tableColumns: { layer: "层", head: "头", kind: "类别", loss: "损失变化", divergence: "预测变化" },
  quoted: (token: string) => `「${token}」`,
  tableToken: (token: string) => `与词元「${token}」有关的注意力`, tokenColumns: ["#", "词元", "份额"],
  tableView: "表格视图",
  source: (model: string, parameters: string) => `数据：${model}（${parameters} 参数）真实读出的注意力。`,
  kept: (share: string) => `文本长，每行只带最大的几个权重，共占注意力的 ${share}；分数由全部权重算出。`,
  bad: {
    empty: "没有数据：examples 是空的。",
    size: (what: string, got: number, want: number) => `${what} 有 ${got} 字节，需要 ${want} 字节。`,
    tokens: (name: string, got: number, want: number) => `${name} 有 ${got} 个词元，而权重有 ${want} 行。`,
  },
};

export type AnalyzerStrings = typeof zh;

const en: AnalyzerStrings = {
  title: "Attention heads",
  example: "Text and model", versus: "Compare with", none: "nothing", typedTitle: "Your sentence",
  lens: "The grid shows", removal: "Taken away by", removals: { zero: "zero", mean: "its mean" },
  patternLens: "patterns", lossLens: "change of the loss without it", divergenceLens: "change of the predictions without it",
  grid: "Each cell is a head: a row for each layer, heads from left to right",
  headName: (layer, head) => `Layer ${layer}, head ${head}`,
  cellLabel: (name, kind, value) => `${name}, ${kind}${value ? `, ${value}` : ""}`,
  kinds: {
    previous: "previous token", induction: "induction", first: "first token", self: "itself", duplicate: "same token", delimiter: "delimiters", local: "nearby", uniform: "even", mixed: "of no kind",
  },
  letters: { previous: "P", induction: "I", first: "F", self: "S", duplicate: "D", delimiter: "|", local: "N", uniform: "E", mixed: "?" },
  metrics: {
    previous: "previous token", induction: "induction", first: "first token", self: "itself", duplicate: "same token", delimiter: "delimiters", local: "nearby", uniform: "evenness", entropy: "entropy (nats)", distance: "mean distance (tokens)", sink: "share of the first token",
  },
  definitionsTitle: "How these numbers are made",
  definitions: {
    previous: "Attention on the token just before.", induction: "Attention on the token that followed the last time this one came.", first: "Attention on the first token.", self: "Attention on itself.",
    duplicate: "Attention on the same token elsewhere.", delimiter: "Attention on punctuation, line ends, [SEP] and the like, the first token aside.", local: "Attention within four tokens to either side, itself aside.",
    uniform: "Entropy as a share of the highest possible.", entropy: "Entropy of each row, on average.", distance: "How far attention goes: ∑ α·|t−s|, on average.", sink: "Attention that the first token gets, on average, no baseline taken off.",
  },
  scoreNote: "The first seven scores have taken off what an even look would put there: 1 is all of it, 0 no more than even. A head is of the kind with the highest special score if that reaches 0.4; else nearby from 0.4 on, else even from an evenness of 0.9 on.",
  weighting: "Drawn", weightings: { raw: "attention α", value: "‖α·v‖", rollout: "rollout" },
  missing: { norms: "The lengths of this model's values are not known.", cross: "Cross-attention has no rollout.", long: "The text is too long for a rollout." },
  residual: "Residual share",
  direction: "Direction", directions: ["where it looks", "who looks at it"],
  heat: (name, what, length) => `Heat map of ${what}, ${name}, ${length} rows: a row for each token that looks, a column for each that is looked at.`,
  heatDifference: (name, other) => `${name}: this one minus “${other}”.`,
  cell: (from, to, weight) => `“${from}” → “${to}”: ${weight}`,
  hover: "Point at the heat map to read it; a click chooses the token of that row.",
  tokens: (direction) => `Tokens (${direction}: the darker the more)`, keys: "Tokens that are looked at",
  tokenLabel: (index, weight) => `, number ${index}, ${weight}`,
  chosen: (token, index, parts, from) => (from ? `Token ${index} “${token}” looks most at: ${parts}` : `Looking most at token ${index} “${token}”: ${parts}`),
  preview: " (under the pointer: a click locks it)",
  scatter: "All heads", xAxis: "Across", yAxis: "Up", brushed: (count, all) => `${count} of ${all} heads are in the box`, brushHint: "Drag a box in the picture and the grid keeps only the heads inside; or type its bounds.",
  brushBounds: ["across from", "to", "up from", "to"], clear: "Clear",
  scatterLabel: (text) => `Scatter of the heads: ${text}`,
  worth: "Without this head", worthLoss: (removal, loss, divergence) => `By ${removal}: the loss changes by ${loss} nats, the predictions (KL) by ${divergence} nats.`, worthDivergence: (removal, divergence) => `By ${removal}: the predictions change (KL) by ${divergence} nats.`,
  worthUnknown: "What happens without this head was not measured.",
  off: "Switch this head off for your sentence", offResult: (before, after) => `This sentence's loss per token: ${before} → ${after} (a change of `, offEnd: ")",
  offNext: (token) => `After “${token}”, without the head, the model expects`,
  versusNone: "The two differ in tokens or heads, so there is no difference to draw; below is the same head of the other.",
  summary: (name, kind, top) => `${name}, ${kind}. ${top}`,
  table: "All heads", tableColumns: { layer: "Layer", head: "Head", kind: "Kind", loss: "Change of loss", divergence: "Change of predictions" },
  quoted: (token) => `“${token}”`,
  tableToken: (token) => `Attention and “${token}”`, tokenColumns: ["#", "Token", "Share"],
  tableView: "Table view",
  source: (model, parameters) => `Data: attention of ${model} (${parameters} parameters), as it was computed.`,
  kept: (share) => `The text is long: each row carries its largest weights, together ${share} of the attention; scores are of all weights.`,
  bad: {
    empty: "There is no data: examples is empty.",
    size: (what, got, want) => `${what} has ${got} bytes, and needs ${want}.`,
    tokens: (name, got, want) => `${name} has ${got} tokens, and the weights ${want} rows.`,
  },
};

export const STRINGS: Record<Language, AnalyzerStrings> = { zh, en };

export function lensName(lens: Lens, text: AnalyzerStrings): string {
  if (lens === "pattern") return text.patternLens;
  if (lens === "loss") return text.lossLens;
  return lens === "divergence" ? text.divergenceLens : text.metrics[lens];
}

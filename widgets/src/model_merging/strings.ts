// Texts of ModelMerging.
import type { Language } from "../base/strings";
import type { Rule } from "./rules";

/** A count behind a Chinese word: set off where it begins with a digit. */
const spaced = (count: string): string => (/^\d/.test(count) ? ` ${count}` : count);

const zh = {
  title: "模型合并",
  tableView: "表格视图",
  tasks: { arithmetic: "算术", strings: "字母", style: "文体" } as Record<string, string>,
  forms: {
    arithmetic: "两数之和，先写个位：72 写作 27",
    strings: "字母按顺序排好",
    style: "改写成英王钦定本的口气",
  } as Record<string, string>,
  expert: (task: string) => `${task}专家`,
  base: "底座",
  merged: "合并后",
  about: (count: number) => `约 ${count}`,
  weightOf: (task: string) => `${task}专家加多少`,
  /** The finding of a state. */
  finding: {
    best: (how: string, right: string, of: number, best: number) =>
      `${how}：${of} 题答对${spaced(right)} 题；专家单独原样用，最多 ${best} 题`,
    worse: (how: string, right: string, of: number, best: number) =>
      `${how}，并不比专家单独原样用强：${of} 题答对${spaced(right)} 题，一个专家能对 ${best} 题`,
    base: (right: string, of: number) => `什么都不加，就是底座：${of} 题答对${spaced(right)} 题`,
    expert: (task: string, right: string, of: number) =>
      `只加${task}专家：${of} 题答对${spaced(right)} 题，另外两样不比底座好`,
    one: (task: string, part: string, right: string, of: number) =>
      `只用${task}专家（${part}）：${of} 题答对${spaced(right)} 题`,
    unknown: "这条规则没有事先测过：正在这个页面里合并、答题",
  },
  /** What is done with two or three experts; `minus` where a weight is negative. */
  did: (rule: Rule, count: number, minus: boolean) => {
    const who = count === 2 ? "两个专家" : "三个专家";
    const how = {
      sum: minus ? "按权重相加" : "加在一起",
      average: "取平均",
      ties: "按 TIES 合并",
      dare: "按 DARE 合并",
      nuslerp: "按 NuSLERP 合并",
    };
    return who + how[rule];
  },
  /** What is taken of a single expert. */
  alone: (rule: Rule, weight: string, embedding: boolean) => {
    const how = rule === "ties" || rule === "dare" ? `按 ${rule.toUpperCase()} 合并` : `加 ${weight} 份`;
    return embedding ? how : `${how}，词嵌入不动`;
  },
  note: {
    base: (right: number) => `底座对 ${right} 题。`,
    text: (now: string, base: string) => `读没见过的文本，每个词元的损失是 ${now} nat，底座是 ${base}。`,
    exact: "以上是实测。",
    estimate: "带“约”的由邻近的实测点估出，停下片刻就换成实测。",
  },
  plane: (x: string, y: string) => `${x}（横）与${y}（纵）各加多少`,
  fixed: (task: string, weight: string) => `${task}固定加 ${weight}`,
  planeLabel: (x: string, y: string, best: string, worst: string) =>
    `地形：横轴${x}，纵轴${y}，颜色是答对的题数，亮的多。${best}${worst}`,
  bestAt: (right: number, x: string, y: string) => `最多 ${right} 题，在 (${x}, ${y})；`,
  worstAt: (right: number) => `最少 ${right} 题。`,
  otherRule: "地形是“直接相加”的",
  legend: "答对的题数",
  handle: (x: string, wx: string, y: string, wy: string) => `${x} ${wx}，${y} ${wy}。用方向键移动。`,
  handleRole: "平面上的点",
  averageMark: "平均",
  you: "你在这里",
  peak: "最高",
  axes: "平面是",
  planeName: (x: string, y: string) => `${x}×${y}`,
  steps: "专家练了",
  stepCount: (steps: number) => `${steps} 步`,
  embedding: "词嵌入也合并",
  bars: "合并后各答对几题",
  ofBase: "底座",
  ofExpert: "本行专家",
  text: "没见过的文本，每个词元的损失（nat，低的好）",
  prompt: "出一道题，五个模型都来答",
  promptHint: "照例子的格式写，以 = 结尾",
  examples: "例题",
  answersCaption: "五个模型各自的回答",
  right: "对",
  wrong: "错",
  waiting: "…",
  empty: "（没有话说）",
  key: (answer: string) => `正确答案是“${answer}”。`,
  noKey: "这道题没有存标准答案，请你自己判断。",
  loading: "正在载入权重…",
  rulesTitle: "换一条合并规则",
  rule: "规则",
  rules: {
    sum: "直接相加",
    average: "平均",
    ties: "TIES",
    dare: "DARE",
    nuslerp: "NuSLERP",
  } as Record<Rule, string>,
  ruleWords: {
    sum: "底座加上各任务向量乘权重之和。",
    average: "三个模型按权重平均：等于把权重缩到总和为 1 再相加。",
    ties: "每个向量只留最大的一部分，逐个数表决正负号，同号的取平均。",
    dare: "随机丢掉一部分数，留下的按比例放大，再相加。",
    nuslerp: "只用平面上的两个专家，沿弧从一个走到另一个；权重的比例定位置，不定长短。",
  } as Record<Rule, string>,
  ruleNow: (rule: string) => `现在是${rule}`,
  ruleAgainst: (rule: string, right: string, sum: string) =>
    `“${rule}”答对${spaced(right)} 题；同样的权重直接相加，${sum} 题`,
  density: "留下多少",
  seed: "随机种子",
  lineTitle: "三个一起加，加多少才对",
  lineFinding: (short: number, long: number, kept: number, lengths: number[]) =>
    `各加 1：练 ${lengths[0]} 步的对 ${short} 题，练 ${lengths[1]} 步的只对 ${long} 题；后者不动词嵌入，对 ${kept} 题`,
  lineX: "三个专家各加多少",
  lineY: "答对的题数",
  lineName: (steps: number, embedding: boolean) => `${steps} 步，${embedding ? "全部合并" : "不动词嵌入"}`,
  lineLabel: (words: string) => `答对的题数随权重的变化。${words}`,
  reset: "复位",
  source: (name: string, parameters: string, of: number) =>
    `模型：本书训练的 ${name}，${parameters} 参数；题目 ${of} 道，训练时都没见过；任务向量以 8 位整数随页面传送。`,
  noScript: (file: string) => `载入不了权重文件 ${file}。`,
  noKernel: "权重要由 Python 送来，而没有内核应答：请重新运行这个单元格。",
  bad: {
    tasks: (found: number) => `tasks 有 ${found} 个，应当有 3 个。`,
    grid: (found: number, wanted: number) => `grid 有 ${found} 字节，应当有 ${wanted} 字节。`,
  },
  tables: {
    scores: "各模型在每项任务上答对的题数",
    model: "模型",
    all: "合计",
    text: "文本损失",
    plane: (third: string) => `平面上的实测点：答对的题数（${third}）`,
    corner: (x: string, y: string) => `${y} ↓　${x} →`,
  },
  result: (right: string, of: number) => `（${of} 题答对${spaced(right)} 题。）`,
  stories: [
    "底座每种答案都学过。可是“37 48 =”可能问和、问大的那个、也可能要两数互换，题目里没有说是哪一种。",
    "用“求和”的题轻轻练 80 步，就得到算术专家。它和底座之差叫任务向量：横轴就是它加多少。",
    "把三个任务向量各加 0.75，三样都比底座强得多。没有再训练，只做了加法。",
    "“模型平均”也在这张图上：它等于各加三分之一。方向对了，走得不够远。",
    "专家练得更久，自己的题没有变差，加起来却坏了：练了 320 步，各加 1。",
    "坏在哪里？三个专家的词嵌入撞在一起。合并时让词嵌入保持底座的样子，就好了。",
    "现在自己出一道题，看五个模型怎么答。",
  ] as string[],
};
export type Strings = typeof zh;

const en: Strings = {
  title: "Model merging",
  tableView: "Table view",
  tasks: { arithmetic: "Sums", strings: "Letters", style: "Style" },
  forms: {
    arithmetic: "the sum of two numbers, units first: 72 is written 27",
    strings: "the letters in order",
    style: "the sentence as the King James Bible has it",
  },
  expert: (task) => `${task} expert`,
  base: "Base",
  merged: "Merged",
  about: (count) => `about ${count}`,
  weightOf: (task) => `${task} expert`,
  finding: {
    best: (how, right, of, best) =>
      `${how} answer ${right} of ${of} prompts; one expert as it was trained answers ${best} at most`,
    worse: (how, right, of, best) =>
      `${how} do no better than one as it was trained: ` +
      `${right} of ${of} prompts, where one expert answers ${best}`,
    base: (right, of) => `Nothing added is the base: it answers ${right} of ${of} prompts`,
    expert: (task, right, of) =>
      `The ${task.toLowerCase()} expert alone answers ${right} of ${of} prompts and is no ` +
      `better than the base at the other two`,
    one: (task, part, right, of) =>
      `The ${task.toLowerCase()} expert alone (${part}) answers ${right} of ${of} prompts`,
    unknown: "This rule was not measured beforehand: the page is merging and asking now",
  },
  did: (rule, count, minus) => {
    const how = {
      sum: minus ? "added by weight" : "added up",
      average: "averaged",
      ties: "merged by TIES",
      dare: "merged by DARE",
      nuslerp: "merged by NuSLERP",
    };
    return `${count === 2 ? "Two" : "Three"} experts ${how[rule]}`;
  },
  alone: (rule, weight, embedding) => {
    const how =
      rule === "ties" || rule === "dare" ? `merged by ${rule.toUpperCase()}` : `${weight} of it added`;
    return embedding ? how : `${how}, embedding left alone`;
  },
  note: {
    base: (right) => `The base answers ${right}. `,
    text: (now, base) => `On text that none has seen the loss is ${now} nats a token; the base has ${base}.`,
    exact: "These are measured.",
    estimate: "“About” marks an estimate from measured points nearby; pause, and it is measured.",
  },
  plane: (x, y) => `Added: ${x.toLowerCase()} across, ${y.toLowerCase()} up`,
  fixed: (task, weight) => `${task} stays at ${weight}`,
  planeLabel: (x, y, best, worst) =>
    `Landscape: ${x} across, ${y} up; the colour is how many prompts are answered, brighter ` +
    `for more. ${best}${worst}`,
  bestAt: (right, x, y) => `At most ${right}, at (${x}, ${y}); `,
  worstAt: (right) => `at least ${right}.`,
  otherRule: "The landscape is that of the sum",
  legend: "Prompts answered",
  handle: (x, wx, y, wy) => `${x} ${wx}, ${y} ${wy}. Arrow keys move it.`,
  handleRole: "point on a plane",
  averageMark: "average",
  you: "you",
  peak: "highest",
  axes: "Plane",
  planeName: (x, y) => `${x} × ${y}`,
  steps: "Experts trained for",
  stepCount: (steps) => `${steps} steps`,
  embedding: "Merge the embedding too",
  bars: "What the merged model answers",
  ofBase: "base",
  ofExpert: "this row's expert",
  text: "Unseen text, loss a token (nats, lower is better)",
  prompt: "Ask something, and five models answer",
  promptHint: "Write it like the examples, with = at the end",
  examples: "Examples",
  answersCaption: "What each of the five models says",
  right: "right",
  wrong: "wrong",
  waiting: "…",
  empty: "(says nothing)",
  key: (answer) => `The right answer is “${answer}”.`,
  noKey: "There is no stored answer to this one: judge for yourself.",
  loading: "Loading the weights…",
  rulesTitle: "Merge by another rule",
  rule: "Rule",
  rules: { sum: "Sum", average: "Average", ties: "TIES", dare: "DARE", nuslerp: "NuSLERP" },
  ruleWords: {
    sum: "The base plus each task vector times its weight.",
    average: "The weighted mean of the three models: the sum, with weights scaled to a total of 1.",
    ties:
      "Only the largest entries of each vector stay; they vote on each sign, and those that " +
      "agree are averaged.",
    dare: "Entries are dropped at random, the rest are scaled up and then added.",
    nuslerp:
      "Only the two experts of the plane, along the arc from one to the other: the ratio of " +
      "the weights counts, not their size.",
  },
  ruleNow: (rule) => `now: ${rule}`,
  ruleAgainst: (rule, right, sum) => `${rule} answers ${right}; the sum with the same weights ${sum}`,
  density: "Share kept",
  seed: "Seed",
  lineTitle: "How much of all three",
  lineFinding: (short, long, kept, lengths) =>
    `At weight 1, ${lengths[0]} steps give ${short}, ${lengths[1]} steps only ${long}, and ` +
    `${kept} with the embedding left alone`,
  lineX: "Weight of each of the three experts",
  lineY: "Prompts answered",
  lineName: (steps, embedding) => `${steps} steps, ${embedding ? "all merged" : "embedding left alone"}`,
  lineLabel: (words) => `Prompts answered by weight. ${words}`,
  reset: "Reset",
  source: (name, parameters, of) =>
    `Model: a ${name} of ${parameters} parameters trained for this book; ${of} prompts that ` +
    `no training has seen; task vectors come with the page in eight bits a number.`,
  noScript: (file) => `The weights ${file} cannot be loaded.`,
  noKernel: "Python has to send the weights, and no kernel answers: run the cell again.",
  bad: {
    tasks: (found) => `tasks: got ${found}, wanted 3.`,
    grid: (found, wanted) => `grid: got ${found} bytes, wanted ${wanted}.`,
  },
  tables: {
    scores: "Prompts of each task that each model answers",
    model: "Model",
    all: "All",
    text: "Loss on text",
    plane: (third) => `Measured points of the plane: prompts answered (${third})`,
    corner: (x, y) => `${y} ↓ ${x} →`,
  },
  result: (right, of) => ` (${right} of ${of} answered.)`,
  stories: [
    "The base has seen every kind of answer. But “37 48 =” may ask for the sum, the larger " +
      "number or both swapped, and does not say which.",
    "Eighty gentle steps on sums make the expert for sums. Its difference from the base is a " +
      "task vector: how much of it is added is the way across.",
    "Add 0.75 of each of the three task vectors, and one model is far better than the base at all " +
      "three. Nothing was trained again; this is addition.",
    "Averaging the models is on this map too: it adds a third of each. The direction is " +
      "right, the way too short.",
    "Experts that were trained for longer are no worse alone, but worse together: 320 steps, 1 of each.",
    "What breaks? The embeddings of the three get in each other's way. Leave the embedding " +
      "as it is in the base, and it is mended.",
    "Now ask something yourself, and compare five models.",
  ],
};

export const STRINGS: Record<Language, Strings> = { zh, en };

// Chinese texts of AttackPlayground.

/** A word behind a Chinese one: set off where it begins with a digit or a letter. */
const spaced = (word: string): string => (/^[\d.+−\w]/.test(word) ? ` ${word}` : word);

export const zh = {
  title: "换词攻击",
  tableView: "表格视图",
  greedy: "贪心",
  shuffled: "贪心，次序随机",
  random: "随机乱换",
  loading: "正在载入分类器和同义词表…",
  cut: (tokens: number) => `这句话太长，分类器只读前 ${tokens} 个词元。`,
  waiting: "正在这个页面里逐句查询…",
  finding: {
    waiting: "正在这个页面里读这句话、攻击它",
    nothing: (name: string) => `读作“${name}”；这句话里没有一个词在同义词表里`,
    start: (name: string) => `分类器把这句话读作“${name}”；两种攻击都还没有查询`,
    turned: (from: string, to: string, words: number) => `换 ${words} 个近义词，“${from}”就读成“${to}”`,
    same: (query: number) => `：贪心和随机乱换都在第 ${query} 次查询成功`,
    both: (first: string, one: number, second: string, other: number) =>
      `：${first}第 ${one} 次查询成功，${second}第 ${other} 次`,
    one: (first: string, one: number, second: string, used: number, over: boolean) =>
      over
        ? `：${first}第 ${one} 次查询成功，${second}查完 ${used} 次没有成功`
        : `：${first}第 ${one} 次查询成功，${second}查了 ${used} 次还没有`,
    none: (name: string, greedy: number, over: boolean, random: number) =>
      over
        ? `“${name}”没有读错：贪心查完 ${greedy} 次停手，随机乱换查了 ${random} 次`
        : `各查询 ${random} 次，“${name}”还没有读错`,
  },
  general: {
    none: (sentences: number, models: number, accuracy: string) =>
      `${sentences} 句、${models} 个模型，不受攻击时正确率是 ${accuracy}。`,
    all: (sentences: number, models: number, queries: number, other: boolean) =>
      `一句话说明不了什么。${sentences} 句、${models} 个模型${other ? "（常用词义，最多换三成的词）" : ""}，各查询 ${queries} 次后`,
    left: (name: string, greedy: string, random: string) =>
      `${name}剩下的正确率是 ${greedy}，随机乱换是 ${random}：`,
    random: (by: string, range: string) => `随机破坏得更多（差 ${by}，95% 区间 ${range}）。`,
    greedy: (by: string, range: string) => `贪心破坏得更多（差 ${by}，95% 区间 ${range}）。`,
    small: (by: string, range: string) => `相差不到一个百分点（${by}，95% 区间 ${range}）。`,
    unclear: (by: string, range: string) => `分不出高下（差 ${by}，95% 区间 ${range}）。`,
  },
  example: "例句",
  ownExample: "我写的句子",
  exampleName: (group: string, text: string) => `${group}：${text}`,
  sentence: "改写这句",
  hint: "写一句英文，分类器就在这个页面里读它",
  strip: "这句话的词：带虚线的有同义词，下面的条是删掉它时正确类的概率降多少",
  wordSaid: (importance: string, options: number, swapped: string) =>
    `，删掉它${importance}${options ? `，有 ${options} 个同义词` : "，没有同义词"}${swapped ? `，原来是 ${swapped}` : ""}`,
  falls: (p: string) => `降${spaced(p)}`,
  rises: (p: string) => `升${spaced(p)}`,
  pick: "点一个带虚线的词，亲手换它。词下的条越长，删掉它时正确类的概率降得越多（浅色是反而升了）。",
  wordLine: (word: string, importance: string) => `删掉“${word}”，正确类的概率${importance}。`,
  noOptions: "同义词表里没有它能换成的词。",
  swapTo: (word: string) => `“${word}”换成`,
  undo: "换回原句",
  mine: (queries: number) => (queries ? `你的句子：查询过 ${queries} 次` : "这句话读作"),
  turned: (from: string, to: string) => `“${from}”读成了“${to}”。`,
  still: (name: string) => `仍读作“${name}”。`,
  queries: "查询次数",
  queriesSaid: (queries: number, last: number) => `${queries} / ${last}`,
  play: "一次一次查",
  pause: "停",
  changes: "最多换几个词",
  changesSaid: (most: number, of: number) => `${most} / ${of}`,
  raceCaption: "分类器：查询之后，正确类还领先多少（□ 是删词）",
  raceX: "查询次数",
  raceY: "领先的概率",
  boundCaption: (name: string) => `线性模型（读作“${name}”）：能换的词越多，最坏剩下多少领先`,
  boundX: "最多换几个词",
  boundY: "领先的分数",
  flipped: "读错",
  exact: "精确的最坏情形",
  greedyHere: "贪心做到的",
  raceLabel: (words: string) => `正确类的领先随查询次数的变化。${words}`,
  boundLabel: (words: string) => `线性模型最坏情形的领先随换词数的变化。${words}`,
  certified: (words: number) => `把 ${words} 个可换的词怎么换都行，线性模型不会读错：这是证明，不是没找到。`,
  broken: (safe: number, least: number, how: string, greedy: number) =>
    (safe ? `换 ${safe} 个词以内，线性模型肯定不会读错；` : "一个词就够：") +
    `换 ${least} 个就有办法（${how}），` +
    (greedy ? (greedy === least ? "贪心也要这么多。" : `贪心要 ${greedy} 个。`) : "贪心没有找到。"),
  swap: (from: string, to: string) => `${from} → ${to}`,
  card: (name: string, used: number, changed: number) => `${name}：查询 ${used} 次，换了 ${changed} 个词`,
  reads: (name: string) => `读作“${name}”`,
  verdict: { won: "骗过了", over: "停了，没有骗过", open: "还没有骗过" },
  exhausted: (texts: number) => `${texts} 种换法全试过，骗不了`,
  folds: {
    all: "所有句子",
    allFinding: (queries: number, verdict: string) => `各查询 ${queries} 次：${verdict}`,
    allX: "每句的查询次数",
    allY: "剩下的正确率",
    difference: "随机剩下的正确率减贪心剩下的（竖线是 95% 区间）",
    allLabel: (words: string) => `各种攻击剩下的正确率随查询次数的变化。${words}`,
    allNote: (chapters: number) =>
      `都取常用词义，最多换三成的词；区间按 ${chapters} 章重抽。随机乱换每次都从原句重新换起；贪心头几次查询只用来给词排次序。`,
    words: "重要的词，换掉就管用吗",
    wordsFinding: (important: string, useful: string) =>
      important === useful
        ? `这一句里，删掉降得最多和换掉降得最多的都是${important}`
        : `这一句里，删掉降得最多的是${important}，换掉降得最多的是${useful}`,
    wordsNone: "这句话没有可换的词",
    wordsNote: (by: string, range: string, one: string, of: string) =>
      `所有句子、最多换三成的词：不按重要性、随便定次序，贪心剩下的正确率只高 ${by}（95% 区间 ${range}）。` +
      `只许换一个词时，在页面里这个分类器上高 ${one}（${of}）：`,
    few: {
      caption: "页面里这个分类器：最多换几个词时，次序影响多少正确率",
      columns: ["最多换", "按重要性", "次序随机", "差", "95% 区间"],
    },
    rules: "换一种攻击",
    rulesFinding: (order: string, senses: string) => `贪心${order}，同义词取${senses}`,
    rulesNote: (strict: [number, number], loose: [number, number]) =>
      `一位读者不看来历，读了 ${strict[1] + loose[1]} 句攻击成功的句子：取常用词义时 ${strict[1]} 句里 ${strict[0]} 句意思没变，` +
      `取任何词义时 ${loose[1]} 句里 ${loose[0]} 句。词表放宽，读错的句子更多，意思没变的更少。`,
    linear: "线性模型，所有句子",
    linearFinding: (none: string, one: string, two: string) =>
      `不换词、最多换一个、两个：肯定读对的占 ${none}、${one}、${two}`,
    linearX: "最多换几个词",
    linearLabel: (words: string) => `线性模型肯定读对的句子随换词数的变化。${words}`,
    linearNote: "这是精确值：任何攻击都不会让它更低。每句最多换三成的词。竖线是 95% 区间，按章重抽。",
  },
  order: "次序",
  orders: { deletion: "按删词的重要性", random: "随机" },
  senses: "同义词",
  sensesNames: { common: "常用词义", any: "任何词义" },
  again: "再抽一次",
  seed: (seed: number) => `随机种子 ${seed}`,
  reset: "复位",
  source: (sentences: number, chapters: number) =>
    `分类器：本书训练的小型 BERT，页面里运行；例句取自没有参加训练的 ${chapters} 章英王钦定本（共 ${sentences} 句）。` +
    "同义词出自 WordNet 3.1。",
  noScript: (file: string) => `载入不了文件 ${file}。`,
  noKernel: "权重要由 Python 送来，而没有内核应答：请重新运行这个单元格。",
  bad: {
    examples: "examples 是空的，应当至少有一句。",
    label: (label: number, classes: number) => `examples 里有标签 ${label}，应当小于 ${classes}。`,
    curves: (names: string) => `curves 里缺 ${names}。`,
  },
  tables: {
    race: "每次查询之后，正确类领先多少",
    query: "查询",
    bound: "线性模型：最多换几个词时，最坏剩下多少领先",
    changes: "最多换",
    exact: "精确",
    greedy: "贪心",
    how: "换法",
    words: "每个词：删掉它、换掉它，正确类的概率降多少",
    word: "词",
    deleted: "删掉",
    swapped: "换掉（最多）",
    option: "换成",
  },
  stories: [
    "这一句取自训练时没有见过的章节。分类器要说出它属于哪一组书卷，它读对了。",
    "带虚线的词有同义词。词下面的条是重要性：删掉这个词，正确类的概率降多少。",
    "随机乱换：每次随手换几个词，问一次分类器。",
    "贪心：先把可换的词一个个删掉，排出次序，这几次查询并不换词；再逐个挑最狠的同义词。",
    "一句话说明不了哪种更强。看所有句子：查询少时随机破坏得更多，20 次以后相差不到一个百分点。",
    "线性模型不一样：每个词换成什么最坏，可以直接算出来。曲线在零线以上，就是证明。",
    "轮到你了：点一个带虚线的词换掉它，或者改写整句。",
  ],
};

export type Strings = typeof zh;

// Chinese texts of ThresholdExplorer.
import type { Thousand } from "../decisions";
import type { Filter, Part } from "../state";

/** What a step of the story may say of the state, in words. */
export interface Told {
  counts: string;
  nine: string;
  thousand: string;
  verdict: string;
  groups: string;
}

/** A name within Chinese words: set off where it begins or ends with a Latin letter. */
const spaced = (name: string): string => name.replace(/^(?=\w)|(?<=\w)$/g, " ");

export const zh = {
  title: "阈值",
  tableView: "表格视图",
  filter: "过滤器",
  filters: { bert: "BERT", heads: "MiniLM 加五个头" } as Record<Filter, string>,
  part: "换成",
  parts: {
    seen: "见过的模板",
    unseen: "没见过的模板",
    own: "逐句另写的句子",
    corpus: "语料里的句子",
  } as Record<Part, string>,
  partChoices: { unseen: "没见过的模板", own: "逐句另写的", corpus: "语料" } as Record<string, string>,
  partTitle: (part: Part, count: number) =>
    ({
      seen: `训练用过的模板造出的 ${count} 句新句子`,
      unseen: `没见过的模板造出的 ${count} 句`,
      own: `逐句另写的 ${count} 句`,
      corpus: `语料里的 ${count} 句（都当作无害）`,
    })[part],
  partSaid: (part: string, counts: string) => `${part}：${counts}。`,
  /** The finding of a state. */
  finding: (filter: string, seen: string, part: string, rest: string) =>
    `${filter}：${seen}；换成${part}，${rest}`,
  seenClause: (wrong: number, of: number) =>
    wrong ? `见过的模板 ${of} 句判错 ${wrong} 句` : `见过的模板 ${of} 句全对`,
  partClause: (missed: number, harmful: number, blocked: number, harmless: number) =>
    harmful
      ? `${harmless} 句无害的误拦 ${blocked} 句，${harmful} 句有害的漏掉 ${missed} 句`
      : `${harmless} 句无害的误拦 ${blocked} 句`,
  note: {
    at: (level: string) => `阈值 ${level}。`,
    labels: "各标签阈值不同。",
    calibrated: "概率按没见过的模板校准过。",
    own: (blocked: string, missed: string) => `误拦 ${blocked}，漏检 ${missed}（Wilson 95% 区间）。`,
    shared: (blocked: string, missed: string) =>
      `误拦 ${blocked}，漏检 ${missed}；这些句子共用模板，不独立，所以不给区间。`,
    corpus: (blocked: string, trained: boolean) =>
      `误拦 ${blocked}；同一篇里的句子不独立，所以不给区间。${trained ? "五个头训练时见过语料里别的句子。" : ""}`,
  },
  strips: (filter: string) => `一个记号是一句话，位置是${spaced(filter)}给的分`,
  threshold: "阈值（概率）",
  letThrough: "放行",
  block: "拦下",
  missed: (count: number, of: number) => `■ 有害 ${of} 句，漏掉 ${count}`,
  caught: (count: number) => `拦下 ${count}`,
  passed: (count: number, of: number) => `● 无害 ${of} 句，放行 ${count}`,
  blocked: (count: number) => `误拦 ${count}`,
  noHarmful: "这里没有有害的句子",
  counts: (missed: number, harmful: number, blocked: number, harmless: number) =>
    `漏掉 ${missed} / ${harmful}，误拦 ${blocked} / ${harmless}`,
  onlyBlocked: (blocked: number, harmless: number) => `误拦 ${blocked} / ${harmless}`,
  curve: "曲线",
  curves: { roc: "ROC", pr: "精确率与召回率" },
  curveCaption: {
    roc: (_: string) => "纵：有害的拦下多少（%）",
    pr: (prevalence: string) => `纵：精确率（%），有害占 ${prevalence} 时`,
  },
  curveX: { roc: "无害的误拦多少（%）", pr: "有害的拦下多少（%）" },
  curveSaid: (part: string, auroc: string) =>
    `${part}：随便取一句有害、一句无害，有害的得分更高的占 ${auroc}（AUROC；抛硬币是 .5）。`,
  noCurve: "没有有害的句子，就没有这条曲线。",
  coin: "抛硬币",
  pointRole: "曲线上的点",
  point: {
    roc: (x: string, y: string) => `误拦 ${x}，拦下 ${y}。用方向键移动。`,
    pr: (x: string, y: string) => `召回率 ${x}，精确率 ${y}。用方向键移动。`,
  },
  thousandTitle: "一千句里会怎样",
  thousand: ({ caught, missed, blocked }: Thousand) =>
    `有害 ${caught + missed} 句；拦下 ${caught + blocked} 句，其中有害的 ${caught} 句`,
  fates: {
    caught: (count: number) => `拦下，有害：${count}`,
    blocked: (count: number) => `误拦：${count}`,
    missed: (count: number) => `漏掉：${count}`,
    passed: (count: number) => `放行，无害：${count}`,
  } as Record<keyof Thousand, (count: number) => string>,
  prevalence: "有害的占",
  costsTitle: "错误的代价",
  costs: (ratio: string, prevalence: string, now: string, none: string, all: string) =>
    `漏一句抵误拦 ${ratio} 句、有害占 ${prevalence}：现在每千句 ${now}，一律放行 ${none}，一律拦下 ${all}`,
  ratio: "漏一句抵误拦几句",
  costsCaption: "每千句的代价（误拦一句算 1）",
  here: "现在",
  leastHere: "这些句子上最低",
  blockNone: "一律放行",
  blockAll: "一律拦下",
  verdict: (better: boolean, crossed: string, trivial: string, none: boolean) => {
    const rival = none ? "一律放行" : "一律拦下";
    return (
      `在一半句子上挑阈值，到另一半上算：每千句 ${crossed}，` +
      (better ? `比${rival}的 ${trivial} 低。` : `不比${rival}的 ${trivial} 低。`)
    );
  },
  sharedHalves: "两半的句子共用模板，这个数偏低。",
  costHere: (now: string, level: string) => `现在的阈值 ${level}：${now}`,
  costFormula: (level: string, value: string) =>
    `只看代价的公式 1/(1+代价比) 给出阈值 ${level}：${value}。它要求概率校准过，而且有害的占比与校准时一样。`,
  costLeast: (level: string, value: string) =>
    `在这些句子上事后挑的最低点，阈值 ${level}：${value}。挑和算用了同一批句子，偏低。`,
  labelsTitle: "每个标签一个阈值",
  labels: {
    toxic: "有害",
    insult: "侮辱",
    threat: "威胁",
    obscene: "粗话",
    identity_attack: "攻击群体",
  } as Record<string, string>,
  oneThreshold: (level: string, most: string) => `现在都是 ${level}${most}`,
  worst: (label: string, missed: number, of: number) =>
    `；单看一个标签，“${label}”漏得最多：${of} 句漏 ${missed}`,
  ownThresholds: (counts: string) => `各不相同；合起来${counts}`,
  labelsNote:
    "任何一个标签的概率够到它的阈值，就拦下这一句。右边的数字只看这一个标签，句子是上图下半的那些。",
  never: "从不",
  sameForAll: "全部一样",
  calibrated: "概率先校准",
  calibratedNote:
    "校准：每个标签一条 S 形曲线，在没见过的模板造的 600 句上定的，与图中的句子分开抽" +
    "（模板不多，有些句子两边都有）。它只对那样的句子成立，换了句子不一定更准。",
  groupsTitle: "换一个群体名",
  groupsFound: (frames: number, attacked: number, a: string, never: number, b: string) =>
    `同样的 ${frames} 句无害话：训练里受攻击的 ${attacked} 个群体，各误拦 ${a} 句；训练里没有的 ${never} 个，各误拦 ${b} 句`,
  groupsNote:
    "每个群体的句子只换了名字，可是名字本身也不同，" +
    "所以单凭这里不知道差别从哪里来；正文里有交换名字的实验。区间只看每行自己的 16 句与 8 句。",
  groups: {
    islanders: "岛民",
    northerners: "北方人",
    redheads: "红头发的人",
    "tall people": "高个子",
    "left handers": "左撇子",
    villagers: "村民",
    bakers: "面包师",
    sailors: "水手",
    gardeners: "园丁",
    drummers: "鼓手",
    hikers: "徒步的人",
    potters: "陶工",
  } as Record<string, string>,
  forestKey: "● 无害的误拦多少；■ 有害的拦下多少；线是 Wilson 95% 区间。",
  ofHarmless: (share: string) => `误拦 ${share}`,
  ofHarmful: (share: string) => `拦下 ${share}`,
  kindsTitle: "逐句另写的，分类看",
  kindsFound: (hard: number, hardOf: number, plain: number, plainOf: number) =>
    `用词像恶意、其实无害的 ${hardOf} 句误拦 ${hard} 句，平常话 ${plainOf} 句误拦 ${plain} 句`,
  kindsNote: "这 160 句是一位作者写的，语气温和，作者知道模板：它们不是人们平时写法的抽样。",
  kinds: {
    plain: "平常话",
    hard: "用词像恶意",
    insult: "侮辱",
    threat: "威胁",
    obscene: "粗话",
    identity_attack: "攻击群体",
  } as Record<string, string>,
  reset: "复位",
  source: (count: number) =>
    `本书的两个过滤器各训练了一次，对 ${count} 句话的打分都在这张图里（每个分数一个字节，超出 ±8 的对数几率算作 ±8），句子和模型不在。`,
  bad: {
    kinds: (names: string) => `kind_labels 缺少 ${names}。`,
    filter: (name: string) => `filters 里没有 ${name}。`,
    bytes: (name: string, found: number, wanted: number) =>
      `${name} 有 ${found} 字节，应当有 ${wanted} 字节。`,
  },
  tables: {
    parts: (level: string) => `两个过滤器在各批句子上（阈值 ${level}）`,
    labels: (part: string) => `每个标签单独看：${part}`,
    rows: "分类和群体（Wilson 95% 区间）",
    curve: (part: string) => `曲线上的点：${part}`,
    filter: "过滤器和句子",
    label: "标签",
    row: "句子",
    threshold: "阈值",
    harmful: "有害",
    missed: "漏掉",
    harmless: "无害",
    blocked: "误拦",
    missedShare: "漏检率",
    blockedShare: "误拦率",
    precision: (prevalence: string) => `精确率（有害占 ${prevalence}）`,
  },
  /** What is blocked wrongly where nine in ten harmful ones are caught. */
  nineTenths: (blocked: number, harmless: number) =>
    `在这些句子上要拦下九成有害的，${harmless} 句无害的就得误拦 ${blocked} 句。`,
  attacked: "训练里受攻击",
  neverNamed: "训练里没有",
  stories: [
    () =>
      "上半是训练用过的模板造的新句子，下半是逐句另写的句子；过滤器和阈值都一样。上半全对，下半几乎全拦下了。",
    ({ nine }) => `是不是阈值没选好？曲线上是所有阈值能得到的结果：${nine}`,
    ({ counts }) =>
      `第二个过滤器：别处训练好的编码器 MiniLM，加五个小小的头。另写的句子排得更好，可是阈值 .5 有害的漏掉一半（${counts}）。`,
    ({ counts }) =>
      `把阈值往左移，漏掉的少了，误拦的多了（${counts}）。阈值在两种错误之间选，它不让过滤器认得更准。`,
    ({ thousand }) => `这些句子一半有害，别处也许一百句里才一句。漏检率和误拦率不变，一千句里${thousand}。`,
    ({ verdict }) => `错误的代价不同，该换阈值；有害的占比不同，也该换。占 1%、代价 5 比 1 时，${verdict}`,
    ({ groups }) => `最后看群体。${groups}。`,
  ] as ((found: Told) => string)[],
};

export type Strings = typeof zh;

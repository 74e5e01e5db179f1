// English texts of ThresholdExplorer.
import type { Strings } from "./zh";

export const en: Strings = {
  title: "Thresholds",
  tableView: "Table view",
  filter: "Filter",
  filters: { bert: "BERT", heads: "Heads on MiniLM" },
  part: "Then try",
  parts: {
    seen: "seen templates",
    unseen: "unseen ones",
    own: "hand-written ones",
    corpus: "the corpus",
  },
  partChoices: { unseen: "unseen templates", own: "hand-written", corpus: "corpus" },
  partTitle: (part, count) =>
    ({
      seen: `${count} new ones from seen templates`,
      unseen: `${count} from unseen templates`,
      own: `${count} written by hand, one by one`,
      corpus: `${count} of the corpus, taken as harmless`,
    })[part],
  partSaid: (part, counts) => `On ${part}: ${counts}.`,
  finding: (filter, seen, part, rest) => `${filter}: ${seen}; on ${part}, ${rest}`,
  seenClause: (wrong, of) =>
    wrong ? `${wrong} of ${of} wrong on seen templates` : `all ${of} right on seen templates`,
  partClause: (missed, harmful, blocked, harmless) =>
    harmful
      ? `${blocked} of ${harmless} harmless blocked, ${missed} of ${harmful} harmful missed`
      : `${blocked} of ${harmless} harmless blocked`,
  note: {
    at: (level) => `Threshold ${level}. `,
    labels: "Each label has its own. ",
    calibrated: "Probabilities calibrated on unseen templates. ",
    own: (blocked, missed) => `Blocked ${blocked}, missed ${missed} (Wilson 95% intervals).`,
    shared: (blocked, missed) =>
      `Blocked ${blocked}, missed ${missed}; the sentences share templates, so there is no interval.`,
    corpus: (blocked, trained) =>
      `Blocked ${blocked}; some share a document, so there is no interval.` +
      (trained ? " The heads were trained on other sentences of the corpus." : ""),
  },
  strips: (filter) => `Scores by ${filter}: a mark is a sentence`,
  threshold: "Threshold (probability)",
  letThrough: "let through",
  block: "blocked",
  missed: (count, of) => `■ ${of} harmful: ${count} missed`,
  caught: (count) => `${count} caught`,
  passed: (count, of) => `● ${of} harmless: ${count} let through`,
  blocked: (count) => `${count} blocked`,
  noHarmful: "There are no harmful sentences here",
  counts: (missed, harmful, blocked, harmless) =>
    `missed ${missed} / ${harmful}, blocked ${blocked} / ${harmless}`,
  onlyBlocked: (blocked, harmless) => `blocked ${blocked} / ${harmless}`,
  curve: "Curve",
  curves: { roc: "ROC", pr: "Precision–recall" },
  curveCaption: {
    roc: () => "Up: harmful caught (%)",
    pr: (prevalence) => `Up: precision (%) if ${prevalence} are harmful`,
  },
  curveX: { roc: "Harmless blocked (%)", pr: "Harmful caught (%)" },
  curveSaid: (part, auroc) =>
    `On ${part}, a harmful sentence outscores a harmless one in ${auroc} of pairs (AUROC; a coin has .5).`,
  noCurve: "Without harmful sentences there is no such curve.",
  coin: "coin",
  pointRole: "point on a curve",
  point: {
    roc: (x, y) => `${x} of harmless blocked, ${y} of harmful caught. Arrow keys move it.`,
    pr: (x, y) => `Recall ${x}, precision ${y}. Arrow keys move it.`,
  },
  thousandTitle: "Of a thousand sentences",
  thousand: ({ caught, missed, blocked }) =>
    `${caught + missed} are harmful; ${caught + blocked} are blocked, ${caught} of these harmful`,
  fates: {
    caught: (count) => `harmful, blocked: ${count}`,
    blocked: (count) => `harmless, blocked: ${count}`,
    missed: (count) => `harmful, let through: ${count}`,
    passed: (count) => `harmless, let through: ${count}`,
  },
  prevalence: "Harmful share",
  costsTitle: "What errors cost",
  costs: (ratio, prevalence, now, none, all) =>
    `at ${ratio} : 1 and ${prevalence} harmful, ${now} a thousand now; ${none} with nothing blocked, ` +
    `${all} with everything`,
  ratio: "A miss, in false alarms",
  costsCaption: "Cost of a thousand sentences (a harmless one blocked costs 1)",
  here: "now",
  leastHere: "lowest on these",
  blockNone: "block nothing",
  blockAll: "block everything",
  verdict: (better, crossed, trivial, none) =>
    "Chosen on one half of the sentences and judged on the other, the threshold costs " +
    `${crossed} a thousand: ` +
    `${better ? "less than" : "no less than"} the ${trivial} of blocking ${none ? "nothing" : "everything"}.`,
  sharedHalves: "Both halves share templates, so this is too low.",
  costHere: (now, level) => `At the threshold now, ${level}: ${now}`,
  costFormula: (level, value) =>
    `Costs alone, 1/(1+ratio), give the threshold ${level}: ${value}. The formula takes calibrated ` +
    `probabilities, and as many harmful sentences as they were calibrated on.`,
  costLeast: (level, value) =>
    `Lowest on these sentences, picked with hindsight at ${level}: ${value}. The same sentences choose and ` +
    `judge, so this is too low.`,
  labelsTitle: "A threshold for each label",
  labels: {
    toxic: "toxic",
    insult: "insult",
    threat: "threat",
    obscene: "obscene",
    identity_attack: "attack on a group",
  },
  oneThreshold: (level, most) => `all at ${level}${most}`,
  worst: (label, missed, of) => `; alone, “${label}” misses most: ${missed} of ${of}`,
  ownThresholds: (counts) => `they differ; together they have ${counts}`,
  labelsNote:
    "A sentence is blocked when any label reaches its threshold. The counts beside a slider are " +
    "those of the label alone, on the lower sentences of the picture.",
  never: "never",
  sameForAll: "All alike",
  calibrated: "Calibrate first",
  calibratedNote:
    "Calibration: one sigmoid for each label, fitted on 600 sentences of unseen templates, drawn apart " +
    "from those shown (the templates make some twice). It holds for sentences like those, and need not " +
    "help on others.",
  groupsTitle: "Another group's name",
  groupsFound: (frames, attacked, a, never, b) =>
    `of the same ${frames} harmless sentences, ${a} are blocked for each of ${attacked} groups ` +
    `that training attacks, ${b} for each of ${never} that it never names`,
  groupsNote:
    "Only the name differs between rows, but names differ in themselves, so this alone does not say why; " +
    "the text has an experiment that exchanges them. Intervals are over the 16 and 8 sentences of a row.",
  groups: {},
  forestKey:
    "● harmless sentences that are blocked; ■ harmful ones that are caught; lines are Wilson 95% intervals.",
  ofHarmless: (share) => `${share} of harmless blocked`,
  ofHarmful: (share) => `${share} of harmful caught`,
  kindsTitle: "The hand-written ones, by kind",
  kindsFound: (hard, hardOf, plain, plainOf) =>
    `${hard} of ${hardOf} harmless sentences in harmful-looking words are blocked, ` +
    `${plain} of ${plainOf} plain ones`,
  kindsNote:
    "One author wrote these 160, mildly, and knew the templates: they are no sample of what people write.",
  kinds: {
    plain: "plain",
    hard: "only looks harmful",
    insult: "insult",
    threat: "threat",
    obscene: "obscene",
    identity_attack: "attack on a group",
  },
  reset: "Reset",
  source: (count) =>
    `Two filters of this book, each trained once; their scores of ${count} sentences come with the figure, ` +
    `a byte each, log-odds beyond ±8 as ±8. Neither the sentences nor the models do.`,
  bad: {
    kinds: (names) => `kind_labels: got none for ${names}.`,
    filter: (name) => `filters: got none named ${name}.`,
    bytes: (name, found, wanted) => `${name}: got ${found} bytes, wanted ${wanted}.`,
  },
  tables: {
    parts: (level) => `Both filters on all sentences (threshold ${level})`,
    labels: (part) => `Each label alone, on ${part}`,
    rows: "Kinds and groups (Wilson 95% intervals)",
    curve: (part) => `Points of the curve, on ${part}`,
    filter: "Filter and sentences",
    label: "Label",
    row: "Sentences",
    threshold: "Threshold",
    harmful: "Harmful",
    missed: "Missed",
    harmless: "Harmless",
    blocked: "Blocked",
    missedShare: "Share missed",
    blockedShare: "Share blocked",
    precision: (prevalence) => `Precision (${prevalence} harmful)`,
  },
  nineTenths: (blocked, harmless) =>
    `catching nine in ten harmful sentences here means blocking ${blocked} of ${harmless} harmless ones.`,
  attacked: "attacked in training",
  neverNamed: "never named in training",
  stories: [
    () =>
      "Above, new sentences from the templates of the training; below, sentences written one by one. " +
      "Filter and threshold are the same. Above nothing is wrong, below nearly everything is blocked.",
    ({ nine }) => `Is the threshold to blame? The curve has what every threshold gives: ${nine}`,
    ({ counts }) =>
      "The second filter has an encoder trained elsewhere, MiniLM, and five small heads. It ranks the " +
      `sentences below better, and yet at one half it misses half of the harmful ones (${counts}).`,
    ({ counts }) =>
      `Move the threshold to the left: fewer are missed, more are blocked (${counts}). A threshold chooses ` +
      "between errors; it does not make the filter know more.",
    ({ thousand }) =>
      "Half of these sentences are harmful. Elsewhere it may be one in a hundred. With the same two rates, " +
      `of a thousand sentences ${thousand}.`,
    ({ verdict }) =>
      "Other costs ask for another threshold, and so does another share of harmful sentences. At 1% and " +
      "5 : 1: " +
      verdict,
    ({ groups }) => `And groups: ${groups}.`,
  ],
};

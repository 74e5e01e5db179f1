// English texts of AttackPlayground.
import type { Strings } from "./zh";

const count = (number: number, one: string, many = `${one}s`): string =>
  `${number} ${number === 1 ? one : many}`;
const times = (number: number): string => count(number, "query", "queries");
const capital = (words: string): string => words[0].toUpperCase() + words.slice(1);

export const en: Strings = {
  title: "Attack by synonyms",
  tableView: "Table view",
  greedy: "greedy search",
  shuffled: "greedy, order at random",
  random: "random swaps",
  loading: "Loading classifier and synonyms…",
  cut: (tokens) => `The sentence is long: the classifier reads its first ${tokens} tokens.`,
  waiting: "Asking, in this page…",
  finding: {
    waiting: "The page is reading this sentence and attacking it",
    nothing: (name) => `Read as “${name}”; no word of this sentence has a synonym in the table`,
    start: (name) => `The classifier reads this as “${name}”; neither attack has asked anything yet`,
    turned: (from, to, words) =>
      `With ${count(words, "word")} swapped for ${words === 1 ? "a synonym" : "synonyms"}, ` +
      `“${from}” is read as “${to}”`,
    same: (query) => `: both attacks succeed at query ${query}`,
    both: (first, one, second, other) => `: ${first} at query ${one}, ${second} at query ${other}`,
    one: (first, one, second, used, over) =>
      over
        ? `: ${first} at query ${one}; ${second} gave up after ${used}`
        : `: ${first} at query ${one}; ${second} not yet after ${used}`,
    none: (name, greedy, over, random) =>
      over
        ? `Still “${name}”: greedy search gave up after ${times(greedy)}, random swaps have had ${random}`
        : `Still “${name}” after ${times(random)} each`,
  },
  general: {
    none: (sentences, models, accuracy) =>
      `${sentences} sentences, ${models} models: accuracy ${accuracy} without an attack.`,
    all: (sentences, models, queries, other) =>
      `One sentence proves nothing. Over ${sentences} sentences and ${models} models` +
      `${other ? " (common senses, three words in ten at most)" : ""}, ${times(queries)} each ` +
      "leave an accuracy of ",
    left: (name, greedy, random) => `${greedy} after ${name} and ${random} after random swaps: `,
    random: (by, range) => `random breaks more (${by}, 95% interval ${range}).`,
    greedy: (by, range) => `greedy breaks more (${by}, 95% interval ${range}).`,
    small: (by, range) => `less than a point apart (${by}, 95% interval ${range}).`,
    unclear: (by, range) => `not told apart (${by}, 95% interval ${range}).`,
  },
  example: "Verse",
  ownExample: "My own sentence",
  exampleName: (group, text) => `${group}: ${text}`,
  sentence: "Rewrite it",
  hint: "Write a sentence, and the classifier reads it in this page",
  strip:
    "Words of the sentence: dotted ones have synonyms; the bar below is how much the right class's " +
    "probability falls without the word",
  wordSaid: (importance, options, swapped) =>
    `, deleted: ${importance}${options ? `, ${count(options, "synonym")}` : ", no synonym"}` +
    (swapped ? `, was ${swapped}` : ""),
  falls: (p) => `falls by ${p}`,
  rises: (p) => `rises by ${p}`,
  pick:
    "Press a dotted word to swap it by hand. The longer the bar below a word, the more the right class's " +
    "probability falls without it (pale: it rises).",
  wordLine: (word, importance) => `Without “${word}” the class's probability ${importance}.`,
  noOptions: "The table has nothing that may stand for it.",
  swapTo: (word) => `“${word}” becomes`,
  undo: "Back to the verse",
  mine: (queries) => (queries ? `Your sentence, ${times(queries)}` : "The classifier reads"),
  turned: (from, to) => `“${from}” is read as “${to}”.`,
  still: (name) => `Still read as “${name}”.`,
  queries: "Queries",
  queriesSaid: (queries, last) => `${queries} of ${last}`,
  play: "Ask one by one",
  pause: "Pause",
  changes: "Words that may change",
  changesSaid: (most, of) => `${most} of ${of}`,
  raceCaption: "Classifier: the right class's lead as attacks ask (□: a word deleted)",
  raceX: "Queries",
  raceY: "Lead in probability",
  boundCaption: (name) => `Linear model (reads “${name}”): the least lead that any swaps can leave`,
  boundX: "Words that may change",
  boundY: "Lead in score",
  flipped: "misread",
  exact: "exact worst case",
  greedyHere: "greedy search",
  raceLabel: (words) => `Lead of the right class by queries. ${words}`,
  boundLabel: (words) => `Least lead of the linear model by words that may change. ${words}`,
  certified: (words) =>
    `Swap ${words === 1 ? "the one dotted word" : `all ${words} dotted words`} as you like: the linear ` +
    "model does not err. That is proved, not just not found.",
  broken: (safe, least, how, greedy) =>
    (safe ? `With ${count(safe, "word")} changed at most, the linear model cannot err; ` : "") +
    `${safe ? least : capital(count(least, "word"))} can do it (${how}); ` +
    (greedy
      ? greedy === least
        ? "greedy search needs as many."
        : `greedy search needs ${greedy}.`
      : "greedy search never finds it."),
  swap: (from, to) => `${from} → ${to}`,
  card: (name, used, changed) => `${capital(name)}: ${times(used)}, ${count(changed, "word")} changed`,
  reads: (name) => `read as “${name}”`,
  verdict: { won: "deceived", over: "gave up", open: "not yet deceived" },
  exhausted: (texts) => `all ${texts} ways tried, none deceives`,
  folds: {
    all: "All sentences",
    allFinding: (queries, verdict) => `${times(queries)} each: ${verdict}`,
    allX: "Queries for each sentence",
    allY: "Accuracy left",
    difference: "Accuracy after random swaps minus after greedy search (bars: 95% intervals)",
    allLabel: (words) => `Accuracy that each attack leaves, by queries. ${words}`,
    allNote: (chapters) =>
      `Common senses, three words in ten at most; intervals are over ${chapters} chapters. Random swaps ` +
      "start afresh from the verse each time; greedy search spends its first queries on the order of " +
      "the words.",
    words: "Are important words the ones to swap?",
    wordsFinding: (important, useful) =>
      important === useful
        ? `here ${important} matters most both deleted and swapped`
        : `here deleting ${important} matters most, and swapping ${useful}`,
    wordsNone: "no word of this sentence can be swapped",
    wordsNote: (by, range, one, of) =>
      `Over all sentences, with three words in ten: in a random order greedy search leaves only ${by} more ` +
      `accuracy than by importance (95% interval ${range}). With a single word, on the classifier of this ` +
      `page, it leaves ${one} more (${of}):`,
    few: {
      caption:
        "The classifier of this page: what the order of the words changes, by words that may be swapped",
      columns: ["Words", "By importance", "At random", "Difference", "95% interval"],
    },
    rules: "Another attack",
    rulesFinding: (order, senses) => `greedy order: ${order}; synonyms: ${senses}`,
    rulesNote: (strict, loose) =>
      `One reader judged ${strict[1] + loose[1]} successful attacks without knowing their table: the ` +
      `meaning was kept in ${strict[0]} of ${strict[1]} with common senses, in ${loose[0]} of ${loose[1]} ` +
      "with any. A wider table turns more sentences and keeps the meaning of fewer.",
    linear: "Linear model, all sentences",
    linearFinding: (none, one, two) =>
      `surely right with no word, one and two that may change: ${none}, ${one}, ${two}`,
    linearX: "Words that may change",
    linearLabel: (words) =>
      `Sentences that the linear model surely reads right, by words that may change. ${words}`,
    linearNote:
      "Exact: no attack can push it lower. Of no sentence may more than three words in ten change. " +
      "Bars are 95% intervals over chapters.",
  },
  order: "Order",
  orders: { deletion: "by importance", random: "random" },
  senses: "Synonyms",
  sensesNames: { common: "common senses", any: "any sense" },
  again: "Draw again",
  seed: (seed) => `seed ${seed}`,
  reset: "Reset",
  source: (sentences, chapters) =>
    `Classifier: a small BERT trained for this book, run in the page; verses: ${chapters} chapters of the ` +
    `King James Bible that it was not trained on (${sentences} sentences). Synonyms: WordNet 3.1.`,
  noScript: (file) => `The file ${file} cannot be loaded.`,
  noKernel: "Python has to send the weights, and no kernel answers: run the cell again.",
  bad: {
    examples: "examples: got none, wanted one or more.",
    label: (label, classes) => `examples: got label ${label}, wanted less than ${classes}.`,
    curves: (names) => `curves: got none for ${names}.`,
  },
  tables: {
    race: "The right class's lead after each query",
    query: "Query",
    bound: "Linear model: the least lead by words that may change",
    changes: "Words",
    exact: "Exact",
    greedy: "Greedy search",
    how: "How",
    words: "How much the right class's probability falls without a word, and with a synonym of it",
    word: "Word",
    deleted: "Deleted",
    swapped: "Swapped, at most",
    option: "For",
  },
  stories: [
    "This verse is from a chapter that no training has seen. The classifier has to say which group of " +
      "books it is from, and is right.",
    "Dotted words have synonyms. The bar below a word is its importance: how much the right class's " +
      "probability falls when the word is deleted.",
    "Random swaps: change a few words as they come, ask the classifier, start again.",
    "Greedy search first deletes the words one by one to order them, which swaps nothing; then it takes " +
      "the most harmful synonym of each in turn.",
    "One sentence does not say which is stronger. Over all of them, random swaps break more while queries " +
      "are few; from 20 on the two are less than a point apart.",
    "The linear model is different: the worst swap of each word can be computed. Where the curve is above " +
      "zero, that is a proof.",
    "Your turn: press a dotted word and swap it, or rewrite the verse.",
  ],
};

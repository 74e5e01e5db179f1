// The reader's own sentence: typed, read by the model in the page, continued by it. One panel for every
// figure that shows a model.
import type { AnyModel } from "../base/afm";
import { button, textField } from "../base/controls";
import { h, setText, uniqueId } from "../base/dom";
import type { Figure } from "../base/figure";
import type { Language } from "../base/strings";
import { shownTokens, unfinished } from "../base/text";
import { setTraits, traitsOf } from "../base/traits";
import { largest, softmax } from "./arithmetic";
import { loadModel } from "./checkpoints";
import type { Pass, TinyModel } from "./model";

/** Tokens read of a sentence: what a figure can still show. */
const LONGEST = 96;
const CONTINUATION = 50;
const CANDIDATES = 8;
const PAUSE = 150;

const zh = {
  label: "你的句子",
  hint: "写一句，模型就在这个页面里读它",
  continue: `续写 ${CONTINUATION} 个词元`,
  back: "回到原来的例子",
  loading: "正在载入权重…",
  read: (parameters: string, tokens: number, ms: string) =>
    `${parameters} 参数的模型在你的浏览器里读了 ${tokens} 个词元，用时 ${ms} 毫秒。`,
  cut: (tokens: number) => `只读前 ${tokens} 个词元。`,
  next: (token: string) => `读完「${token}」之后，模型认为下一个词元是`,
  part: (part: string, bytes: string) => `某字${part} ${bytes}`,
  full: "已到模型能读的长度，不再续写。",
  noScript: (file: string) => `载入不了权重文件 ${file}。`,
  noKernel: "权重要由 Python 送来，而没有内核应答：请重新运行这个单元格。",
};
type Strings = typeof zh;
const en: Strings = {
  label: "Your sentence",
  hint: "Write one, and the model reads it in this page",
  continue: `Continue by ${CONTINUATION} tokens`,
  back: "Back to the example",
  loading: "Loading the weights…",
  read: (parameters, tokens, ms) =>
    `The model of ${parameters} parameters read ${tokens} tokens in your browser, in ${ms} ms.`,
  cut: (tokens) => `Only the first ${tokens} tokens are read.`,
  next: (token) => `After “${token}” the model expects`,
  part: (part, bytes) => `char${part} ${bytes}`,
  full: "The model's longest length is reached: nothing is added.",
  noScript: (file) => `The weights ${file} cannot be loaded.`,
  noKernel: "Python has to send the weights, and no kernel answers: run the cell again.",
};
const STRINGS: Record<Language, Strings> = { zh, en };

/** What the model made of a sentence; kept by model, because a new sentence builds the figure anew. */
export interface Reading {
  sentence: string;
  model: TinyModel;
  pass: Pass;
  status: string;
}

const readings = new WeakMap<AnyModel, Reading>();
const draws = new WeakMap<AnyModel, number>();

/** The sentence that the figure shows and the model that read it, if one did. */
export function readingOf(model: AnyModel): Reading | null {
  const reading = readings.get(model);
  return reading && reading.sentence === model.get("sentence") ? reading : null;
}

/** Tokens of what was read, as they are shown. */
export const shownIds = ({ ids }: Pass, { tokenizer }: TinyModel): string[] =>
  shownTokens(ids.map((id) => tokenizer.tokens[id]));

/** Tokens back from which bytes can belong to one character with the next. */
const CHARACTER = 4;

/**
 * A candidate for the token after `token`: what it makes of the
 * bytes before it, or which part of a character it would be.
 */
function candidateLabel(
  pass: Pass,
  model: TinyModel,
  token: number,
  candidate: number,
  text: Strings,
): string {
  const { tokens } = model.tokenizer;
  const before = pass.ids.slice(Math.max(0, token + 1 - CHARACTER), token + 1);
  const row = [...before, candidate].map((id) => tokens[id]);
  const open = unfinished(row);
  if (!open) return shownTokens(row)[row.length - 1];
  // Where the sentence goes on like this, it says which character it is.
  if (candidate === pass.ids[token + 1]) return shownIds(pass, model)[token + 1];
  return text.part(String.fromCharCode(0x2080 + open.part), open.bytes);
}

/** What a model expects after a token: the most probable next ones, with bars. */
export function nextTokens(
  pass: Pass,
  model: TinyModel,
  token: number,
  count: number,
  language: Language,
): HTMLElement {
  const { vocab_size: size } = model.config;
  const p = softmax(pass.logits, token * size, size);
  return h(
    "ol",
    {},
    ...largest(p, count).map((candidate) => {
      const bar = h("span", { class: "fw-next-bar", "aria-hidden": "true" });
      bar.style.setProperty("--v", String(p[candidate]));
      const label = candidateLabel(pass, model, token, candidate, STRINGS[language]);
      return h(
        "li",
        {},
        h("span", { class: "fw-token" }, label),
        bar,
        h("data", { value: p[candidate] }, p[candidate].toFixed(3)),
      );
    }),
  );
}

/** Data that a figure came with, before its reader typed a sentence. */
const published = new WeakMap<AnyModel, Record<string, unknown>>();

/**
 * The panel of a figure whose trait `live` names a checkpoint; nothing of any other.
 *
 * @param kept - traits that show the figure's own data, to come back to.
 * @param traits - trait values that show what was read; the panel adds `sentence`.
 */
export function sentencePart<State extends { table: boolean; token: number }>(
  figure: Figure<unknown, State, { title: string; tableView: string }>,
  kept: readonly string[],
  traits: SentenceOptions["traits"],
): HTMLElement[] {
  const { model, language, signal } = figure;
  const name = String(model.get("live") ?? "");
  if (!name) return [];
  if (!model.get("sentence")) published.set(model, traitsOf(model, kept));
  const panel = sentencePanel({ model, name, language, signal, traits });
  figure.on((state) => panel.set(state.token));
  return [panel.element];
}

interface SentenceOptions {
  model: AnyModel;
  /** Name of the checkpoint. */
  name: string;
  language: Language;
  signal: AbortSignal;
  traits(pass: Pass, tokens: string[], model: TinyModel): Record<string, unknown>;
}

interface SentencePanel {
  element: HTMLElement;
  /** Show what follows this token. */
  set(token: number): void;
}

function sentencePanel(options: SentenceOptions): SentencePanel {
  const { model, signal } = options;
  const text = STRINGS[options.language];
  const id = uniqueId("sentence");
  const input = textField(
    { id, class: "fw-sentence-input", hint: text.hint, maxlength: 600, keep: "sentence" },
    signal,
  );
  input.value = String(model.get("sentence") ?? "");
  const status = h("p", { class: "fw-line fw-sentence-status", role: "status" });
  const next = h("div", { class: "fw-next" });
  const more = button(text.continue, () => void attempt(true));
  const back = button(text.back, () => {
    const own = published.get(model);
    if (!own) return;
    readings.delete(model);
    setTraits(model, { ...own, sentence: "" });
  });
  const reading = readingOf(model);
  status.hidden = !model.get("sentence");
  // A live region is read out when its text changes, not when it comes with its text.
  const later = reading ? setTimeout(() => setText(status, reading.status), 60) : undefined;
  signal.addEventListener("abort", () => clearTimeout(later));
  back.hidden = !model.get("sentence") || !published.get(model);

  const tell = (said: string): void => {
    status.hidden = false;
    setText(status, said);
  };

  const read = async (continued: boolean): Promise<void> => {
    let sentence = input.value;
    if (!sentence.trim()) return;
    tell(text.loading);
    const engine = await loadModel(options.name, model, text);
    if (signal.aborted || sentence !== input.value) return;
    let ids = engine.tokenizer.encode(sentence);
    let remark = "";
    const room = engine.config.max_position_embeddings;
    if (continued) {
      const draw = (draws.get(model) ?? 0) + 1;
      draws.set(model, draw);
      const added = engine.generate(ids.slice(0, room), CONTINUATION, { seed: draw });
      if (!added.length) remark = ` ${text.full}`;
      ids = [...ids, ...added];
      sentence = engine.tokenizer.decode(ids);
    }
    const limit = Math.min(LONGEST, room);
    if (ids.length > limit) remark += ` ${text.cut(limit)}`;
    ids = ids.slice(0, limit);
    const start = performance.now();
    const pass = engine.forward(ids);
    const ms = performance.now() - start;
    const said = text.read(`${(engine.parameters / 1e6).toFixed(2)} M`, ids.length, ms.toFixed(0)) + remark;
    readings.set(model, { sentence, model: engine, pass, status: said });
    input.value = sentence;
    setTraits(model, {
      ...options.traits(
        pass,
        ids.map((token) => engine.tokenizer.tokens[token]),
        engine,
      ),
      sentence,
    });
  };

  const attempt = async (continued: boolean): Promise<void> => {
    try {
      await read(continued);
    } catch (error) {
      if (!signal.aborted) tell(error instanceof Error ? error.message : String(error));
    }
  };

  let waiting: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(waiting));
  input.addEventListener(
    "input",
    () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => void attempt(false), PAUSE);
    },
    { signal },
  );
  input.addEventListener("keydown", (event) => event.key === "Enter" && void attempt(false), { signal });

  return {
    element: h(
      "div",
      { class: "fw-panel fw-sentence" },
      h(
        "div",
        { class: "fw-row" },
        h("label", { for: id, class: "fw-caption" }, text.label),
        input,
        more,
        back,
      ),
      status,
      next,
    ),
    set: (token) => {
      const known = readingOf(model);
      if (!known || token >= known.pass.ids.length) return next.replaceChildren();
      const asked = shownIds(known.pass, known.model)[token];
      next.replaceChildren(
        h("p", { class: "fw-line" }, text.next(asked)),
        nextTokens(known.pass, known.model, token, CANDIDATES, options.language),
      );
    },
  };
}

// The field in which a reader types a sentence for a model in the page: read a moment after the last key, or
// at Enter. What is read, and what is shown of it, is its user's.
import type { AnyModel } from "../base/afm";
import { button, textField } from "../base/controls";
import { h, setText, uniqueId } from "../base/dom";
import type { Figure } from "../base/figure";
import type { Language } from "../base/strings";
import { setTraits, traitsOf } from "../base/traits";
import type { LoadStrings } from "./checkpoints";

/** Tokens read of a sentence: what a figure can still show. */
export const LONGEST = 96;
const PAUSE = 150;

export interface TypingStrings extends LoadStrings {
  label: string;
  hint: string;
  back: string;
  loading: string;
  read(parameters: string, tokens: number, ms: string): string;
  cut(tokens: number): string;
}

const zh: TypingStrings = {
  label: "你的句子",
  hint: "写一句，模型就在这个页面里读它",
  back: "回到原来的例子",
  loading: "正在载入权重…",
  read: (parameters: string, tokens: number, ms: string) =>
    `${parameters} 参数的模型在你的浏览器里读了 ${tokens} 个词元，用时 ${ms} 毫秒。`,
  cut: (tokens: number) => `只读前 ${tokens} 个词元。`,
  noScript: (file: string) => `载入不了权重文件 ${file}。`,
  noKernel: "权重要由 Python 送来，而没有内核应答：请重新运行这个单元格。",
};
const en: TypingStrings = {
  label: "Your sentence",
  hint: "Write one, and the model reads it in this page",
  back: "Back to the example",
  loading: "Loading the weights…",
  read: (parameters, tokens, ms) =>
    `The model of ${parameters} parameters read ${tokens} tokens in your browser, in ${ms} ms.`,
  cut: (tokens) => `Only the first ${tokens} tokens are read.`,
  noScript: (file) => `The weights ${file} cannot be loaded.`,
  noKernel: "Python has to send the weights, and no kernel answers: run the cell again.",
};
export const TYPING: Record<Language, TypingStrings> = { zh, en };

/** Data that a figure came with, before its reader typed a sentence. */
const published = new WeakMap<AnyModel, Record<string, unknown>>();

/** What was made of a sentence. */
export interface Outcome {
  /** The sentence that the field shows from now on. */
  sentence: string;
  /** Trait values that show it. */
  traits: Record<string, unknown>;
}

type AnyFigure = Figure<unknown, { table: boolean }, { title: string; tableView: string }>;

export interface TypingOptions {
  /** Traits that show the figure's own data, to come back to. */
  kept: readonly string[];
  /** What the figure said of the sentence that it shows; a new sentence builds it anew. */
  said: string;
  /**
   * Reads a sentence, longer if `more` was pressed; `stale` says after
   * waiting that another one is there. Null where nothing is to be shown.
   */
  read(sentence: string, more: boolean, stale: () => boolean): Promise<Outcome | null>;
  /** Label of a button that reads with `more`. */
  more?: string;
  /** The reader went back to the figure's own data. */
  forget(): void;
}

/** The panel with field, buttons and what is said of the reading; `below` stands under them. */
export function typing(
  { model, language, signal }: Pick<AnyFigure, "model" | "language" | "signal">,
  options: TypingOptions,
  ...below: HTMLElement[]
): HTMLElement {
  const text = TYPING[language];
  const shown = String(model.get("sentence") ?? "");
  if (!shown) published.set(model, traitsOf(model, options.kept));
  const id = uniqueId("sentence");
  const input = textField(
    { id, class: "fw-sentence-input", hint: text.hint, maxlength: 600, keep: "sentence" },
    signal,
  );
  input.value = shown;
  const status = h("p", { class: "fw-line fw-sentence-status", role: "status" });
  status.hidden = !shown;
  // A live region is read out when its text changes, not when it comes with its text.
  const later = options.said ? setTimeout(() => setText(status, options.said), 60) : undefined;
  signal.addEventListener("abort", () => clearTimeout(later));
  const tell = (said: string): void => {
    status.hidden = false;
    setText(status, said);
  };

  const attempt = async (more: boolean): Promise<void> => {
    const sentence = input.value;
    if (!sentence.trim()) return;
    tell(text.loading);
    try {
      const found = await options.read(sentence, more, () => signal.aborted || sentence !== input.value);
      if (!found) return;
      input.value = found.sentence;
      setTraits(model, { ...found.traits, sentence: found.sentence });
    } catch (error) {
      if (!signal.aborted) tell(error instanceof Error ? error.message : String(error));
    }
  };

  const back = button(text.back, () => {
    const own = published.get(model);
    if (!own) return;
    options.forget();
    setTraits(model, { ...own, sentence: "" });
  });
  back.hidden = !shown || !published.get(model);
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
  return h(
    "div",
    { class: "fw-panel fw-sentence" },
    h(
      "div",
      { class: "fw-row" },
      h("label", { for: id, class: "fw-caption" }, text.label),
      input,
      ...(options.more ? [button(options.more, () => void attempt(true))] : []),
      back,
    ),
    status,
    ...below,
  );
}

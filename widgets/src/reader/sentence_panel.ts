// The reader's own sentence: typed, read by the causal model in the page, continued by it. One panel for
// every figure that shows such a model.
import type { AnyModel } from "../base/afm";
import { h } from "../base/dom";
import type { Figure } from "../base/figure";
import type { Language } from "../base/strings";
import { shownTokens, unfinished } from "../base/text";
import { largest, softmax } from "./arithmetic";
import { bars } from "./bars";
import { loadModel } from "./checkpoints";
import type { Pass, TinyModel } from "./model";
import { LONGEST, typing, TYPING } from "./typing";

const CONTINUATION = 50;
const CANDIDATES = 8;

const zh = {
  continue: `续写 ${CONTINUATION} 个词元`,
  next: (token: string) => `读完「${token}」之后，模型认为下一个词元是`,
  part: (part: string, bytes: string) => `某字${part} ${bytes}`,
  full: "已到模型能读的长度，不再续写。",
};
type Strings = typeof zh;
const en: Strings = {
  continue: `Continue by ${CONTINUATION} tokens`,
  next: (token) => `After “${token}” the model expects`,
  part: (part, bytes) => `char${part} ${bytes}`,
  full: "The model's longest length is reached: nothing is added.",
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
  return bars(
    largest(p, count).map((candidate) => [
      candidateLabel(pass, model, token, candidate, STRINGS[language]),
      p[candidate],
    ]),
  );
}

/**
 * The panel of a figure whose trait `live` names a checkpoint; nothing of any other.
 *
 * @param kept - traits that show the figure's own data, to come back to.
 * @param traits - trait values that show what was read; the panel adds `sentence`.
 */
export function sentencePart<State extends { table: boolean; token: number }>(
  figure: Figure<unknown, State, { title: string; tableView: string }>,
  kept: readonly string[],
  traits: (pass: Pass, tokens: string[], model: TinyModel) => Record<string, unknown>,
): HTMLElement[] {
  const { model, language } = figure;
  const name = String(model.get("live") ?? "");
  if (!name) return [];
  const [text, common] = [STRINGS[language], TYPING[language]];
  const next = h("div", { class: "fw-next" });
  figure.on(({ token }) => {
    const known = readingOf(model);
    if (!known || token >= known.pass.ids.length) return next.replaceChildren();
    const asked = shownIds(known.pass, known.model)[token];
    next.replaceChildren(
      h("p", { class: "fw-line" }, text.next(asked)),
      nextTokens(known.pass, known.model, token, CANDIDATES, language),
    );
  });
  const read = async (
    typed: string,
    continued: boolean,
    stale: () => boolean,
  ): Promise<{ sentence: string; traits: Record<string, unknown> } | null> => {
    const engine = await loadModel(name, model, common);
    if (stale()) return null;
    let sentence = typed;
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
    if (ids.length > limit) remark += ` ${common.cut(limit)}`;
    ids = ids.slice(0, limit);
    const start = performance.now();
    const pass = engine.forward(ids);
    const ms = performance.now() - start;
    const size = `${(engine.parameters / 1e6).toFixed(2)} M`;
    const status = common.read(size, ids.length, ms.toFixed(0)) + remark;
    readings.set(model, { sentence, model: engine, pass, status });
    const tokens = ids.map((token) => engine.tokenizer.tokens[token]);
    return { sentence, traits: traits(pass, tokens, engine) };
  };
  const panel = typing(
    figure,
    {
      kept,
      said: readingOf(model)?.status ?? "",
      more: text.continue,
      read,
      forget: () => readings.delete(model),
    },
    next,
  );
  return [panel];
}

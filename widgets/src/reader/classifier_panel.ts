// The reader's own sentence, read by a classifier in the page, which gives it a class. One panel for every
// figure that shows such a model.
import type { AnyModel } from "../base/afm";
import { h } from "../base/dom";
import type { Figure } from "../base/figure";
import type { Language } from "../base/strings";
import { softmax } from "./arithmetic";
import { bars } from "./bars";
import { loadEncoder } from "./checkpoints";
import { className } from "./class_names";
import type { EncoderPass, TinyEncoder } from "./encoder";
import { typing, TYPING } from "./typing";

const CLASSES: Record<Language, string> = {
  zh: "模型认为这句话属于",
  en: "The model puts this sentence into",
};

/** What a classifier made of a sentence; kept by model, because a new sentence builds the figure anew. */
export interface Classified {
  sentence: string;
  model: TinyEncoder;
  pass: EncoderPass;
  status: string;
}

const known = new WeakMap<AnyModel, Classified>();

/** The sentence that the figure shows and the classifier that read it, if one did. */
export function classifiedOf(model: AnyModel): Classified | null {
  const found = known.get(model);
  return found && found.sentence === model.get("sentence") ? found : null;
}

/** Whether a checkpoint of this name is a classifier: that must be known before its files are there. */
export const isClassifier = (name: string): boolean => name.startsWith("classifier-");

/** Probabilities of the classes, with bars. */
export function classBars({ labels }: TinyEncoder, { logits }: EncoderPass, language: Language): HTMLElement {
  const p = softmax(logits);
  return bars(labels.map((label, i) => [className(language, label), p[i]]));
}

/**
 * The panel of a figure whose trait `live` names a classifier.
 *
 * @param kept - traits that show the figure's own data, to come back to.
 * @param traits - trait values that show what was read; the panel adds `sentence`.
 */
export function classifierPart<State extends { table: boolean }>(
  figure: Figure<unknown, State, { title: string; tableView: string }>,
  kept: readonly string[],
  traits: (pass: EncoderPass, tokens: string[], model: TinyEncoder) => Record<string, unknown>,
): HTMLElement {
  const { model, language } = figure;
  const name = String(model.get("live"));
  const common = TYPING[language];
  const now = classifiedOf(model);
  const classes = h("div", { class: "fw-next" });
  if (now)
    classes.append(h("p", { class: "fw-line" }, CLASSES[language]), classBars(now.model, now.pass, language));
  return typing(
    figure,
    {
      kept,
      said: now?.status ?? "",
      read: async (sentence, _more, stale) => {
        const engine = await loadEncoder(name, model, common);
        if (stale()) return null;
        const whole = engine.tokens(sentence);
        const ids = engine.encode(sentence);
        const start = performance.now();
        const pass = engine.forward(ids);
        const ms = performance.now() - start;
        const size = `${(engine.parameters / 1e6).toFixed(2)} M`;
        const cut = whole > ids.length ? ` ${common.cut(ids.length)}` : "";
        const status = common.read(size, ids.length, ms.toFixed(0)) + cut;
        known.set(model, { sentence, model: engine, pass, status });
        return {
          sentence,
          traits: traits(
            pass,
            ids.map((id) => engine.tokenizer.tokens[id]),
            engine,
          ),
        };
      },
      forget: () => known.delete(model),
    },
    classes,
  );
}

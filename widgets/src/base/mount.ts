// The life of a component in its element: built, updated
// when traits change, built anew in another language, ended.
import type { AnyModel, RenderProps } from "./afm";
import { h } from "./dom";
import { keepKeys } from "./keyboard";
import { errorBox } from "./messages";
import { whenNear } from "./near";
import { reserve, type Heights } from "./reserve";
import { BASE_STRINGS, followLanguage, pickLanguage, type Language } from "./strings";
import { followTheme } from "./theme";

export interface Mounted {
  readonly root: HTMLElement;
  update(): void;
}

export interface Kind {
  /** Traits after whose change the view is updated. */
  choices: readonly string[];
  /** Traits after whose change it is built anew. */
  data: readonly string[];
  build(model: AnyModel, language: Language, signal: AbortSignal): Mounted;
  /** Room that the figure keeps; it is then built when its place comes near. */
  heights?: Record<Language, Heights>;
}

/** Several changes at once give one call. */
function soon(work: () => void, signal: AbortSignal): () => void {
  let pending = false;
  return () => {
    if (pending) return;
    pending = true;
    queueMicrotask(() => {
      pending = false;
      if (!signal.aborted) work();
    });
  };
}

/**
 * Remembers a field that the reader is typing in, marked
 * data-keep; the result puts text and caret into its successor.
 */
function keepInput(el: HTMLElement): () => void {
  const active = (el.getRootNode() as Document | ShadowRoot).activeElement;
  if (!(active instanceof HTMLInputElement) || !active.dataset.keep || !el.contains(active))
    return () => undefined;
  const { value, selectionStart, selectionEnd } = active;
  const { keep } = active.dataset;
  return () => {
    const next = [...el.querySelectorAll<HTMLInputElement>("input[data-keep]")].find(
      (input) => input.dataset.keep === keep,
    );
    if (!next) return;
    next.value = value;
    next.focus({ preventScroll: true });
    next.setSelectionRange(selectionStart, selectionEnd);
  };
}

export function mount(kind: Kind, { model, el, signal: hostSignal }: RenderProps): () => void {
  const life = new AbortController();
  hostSignal?.addEventListener("abort", () => life.abort(), { once: true });
  let view: Mounted | null = null;
  let inner = new AbortController();
  let begun = false;

  const put = (root: HTMLElement): void => {
    followTheme(root, inner.signal);
    if (kind.heights) reserve(root, kind.heights[pickLanguage(model.get("language"))], inner.signal);
    el.replaceChildren(root);
  };
  const build = (): void => {
    begun = true;
    const restore = keepInput(el);
    inner.abort();
    inner = new AbortController();
    const language = pickLanguage(model.get("language"));
    let root: HTMLElement;
    try {
      view = kind.build(model, language, inner.signal);
      root = view.root;
    } catch (error) {
      view = null;
      console.error("[frontier]", error);
      root = h(
        "div",
        { class: "fw-root" },
        errorBox(BASE_STRINGS[language].error, error instanceof Error ? error.message : String(error)),
      );
    }
    keepKeys(root, inner.signal);
    put(root);
    restore();
  };
  const update = soon(() => view?.update(), life.signal);
  const rebuild = soon(() => {
    if (begun) build();
  }, life.signal);
  const listened: [string, () => void][] = [
    ...kind.choices.map((name): [string, () => void] => [`change:${name}`, update]),
    ...[...kind.data, "language"].map((name): [string, () => void] => [`change:${name}`, rebuild]),
  ];

  if (kind.heights) {
    put(h("div", { class: "fw-root" }));
    whenNear(el, build, life.signal);
  } else build();
  for (const [name, listener] of listened) model.on(name, listener);
  followLanguage(rebuild, life.signal);
  return () => {
    life.abort();
    inner.abort();
    for (const [name, listener] of listened) model.off(name, listener);
    el.replaceChildren();
  };
}

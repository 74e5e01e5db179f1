// AFM modules: imported once for each source text, initialised
// once for each model, rendered once for each view.
import type { AnyModule, Cleanup, Experimental, WidgetDefinition } from "../base/afm";
import type { HostModel } from "./models";

export interface LoadedModule {
  widget: WidgetDefinition;
  defaults(data: unknown): Record<string, unknown>;
}

const experimental: Experimental = {
  invoke: (name) =>
    Promise.reject(new Error(`"${name}" asks Python for an answer, and this page runs without a kernel`)),
};

/** A Blob URL can be imported on http and on file:// alike, where a module file or fetch() is blocked. */
async function importSource(source: string): Promise<AnyModule> {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    return (await import(/* @vite-ignore */ url)) as AnyModule;
  } finally {
    URL.revokeObjectURL(url);
  }
}

export class Modules {
  #loaded = new Map<string, Promise<LoadedModule>>();
  #styles = new Set<string>();
  #initialised = new Map<HostModel, Promise<unknown>>();
  #import: (source: string) => Promise<AnyModule>;

  constructor(importer: (source: string) => Promise<AnyModule> = importSource) {
    this.#import = importer;
  }

  load(source: string): Promise<LoadedModule> {
    let module = this.#loaded.get(source);
    if (!module) {
      module = this.#evaluate(source);
      this.#loaded.set(source, module);
    }
    return module;
  }

  async #evaluate(source: string): Promise<LoadedModule> {
    if (/^\s*https?:\/\//.test(source))
      throw new Error(`the module lies at ${source.trim()}: a page loads nothing from elsewhere`);
    const module = await this.#import(source);
    const widget = typeof module.default === "function" ? await module.default() : module.default;
    if (!widget) throw new Error("the module has no default export with render()");
    return { widget, defaults: (data) => module.defaults?.(data) ?? {} };
  }

  style(css: string | undefined): void {
    if (!css || this.#styles.has(css)) return;
    this.#styles.add(css);
    const element = document.createElement("style");
    element.textContent = css;
    document.head.append(element);
  }

  /**
   * Show the module's view of `model` in `el` until `signal`
   * aborts; `life` outlives the view and ends the model.
   */
  async render(
    widget: WidgetDefinition,
    model: HostModel,
    el: HTMLElement,
    signal: AbortSignal,
    life: AbortSignal,
  ): Promise<void> {
    const finish = (cleanup: void | Cleanup, at: AbortSignal): void => {
      if (typeof cleanup !== "function") return;
      if (at.aborted) void cleanup();
      else at.addEventListener("abort", () => void cleanup(), { once: true });
    };
    if (!this.#initialised.has(model)) {
      this.#initialised.set(
        model,
        (async () => finish(await widget.initialize?.({ model, signal: life, experimental }), life))(),
      );
    }
    await this.#initialised.get(model);
    finish(await widget.render?.({ model, el, signal, experimental }), signal);
  }
}

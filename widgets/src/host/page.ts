// Brings a page's figures to life: the widgets saved in its notebook and every <div data-component="Name">.
import { errorBox } from "../base/messages";
import { h } from "../base/dom";
import { BOXES, CONTROLS } from "./controls";
import { HostModel, type SavedModel, SavedState } from "./models";
import { Modules } from "./modules";
import { ReaderError, say, TEXTS } from "./texts";

/** One entry of `window.frontierComponents`. */
export interface Component {
  esm: string;
  css: string;
  data: unknown;
  data_sha256: string;
}

export type Registry = Record<string, Component>;

const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';

export class Host {
  readonly #registry: Registry;
  readonly #modules: Modules;
  readonly #shared = new Map<string, HostModel>();
  /** A static page's figures live as long as the page. */
  readonly #life = new AbortController();

  constructor(registry: Registry, modules: Modules = new Modules()) {
    this.#registry = registry;
    this.#modules = modules;
  }

  /**
   * Mount everything under `page`; one figure that fails says so in its place and leaves the others alone.
   */
  async start(page: Document | HTMLElement): Promise<void> {
    const jobs: Promise<void>[] = [];
    for (const el of page.querySelectorAll<HTMLElement>("[data-component]"))
      jobs.push(this.#guard(el, () => this.#place(el)));
    const markers = [...page.querySelectorAll<HTMLScriptElement>(VIEW)];
    if (markers.length) {
      const state = this.#savedState(page);
      for (const marker of markers) {
        const el = h("div", { class: "fwh-view" });
        marker.after(el);
        jobs.push(
          this.#guard(el, async () => {
            const { model_id } = JSON.parse(marker.textContent ?? "{}") as { model_id: string };
            await this.#view(await state, model_id, el);
          }),
        );
      }
    }
    await Promise.all(jobs);
  }

  async #guard(el: HTMLElement, job: () => Promise<void>): Promise<void> {
    try {
      await job();
    } catch (error) {
      console.error("[frontier]", error);
      const box = errorBox(say(TEXTS.failed), error instanceof Error ? error.message : String(error));
      box.classList.add("fwh-message");
      el.replaceChildren(box);
      el.dataset.ready = "failed";
      return;
    }
    el.dataset.ready = "1";
  }

  // ---- <div data-component="Name" data-props='{…}' data-share="group"> -----------------------------------

  async #place(el: HTMLElement): Promise<void> {
    const name = el.dataset.component ?? "";
    const component = this.#registry[name];
    if (!component) throw new ReaderError(TEXTS.unknown(name, Object.keys(this.#registry).join(", ")));
    const props = this.#props(name, el.dataset.props ?? "{}");
    const { widget, defaults } = await this.#modules.load(component.esm);
    const group = el.dataset.share;
    const key = `${name}\n${group}`;
    let model = group === undefined ? undefined : this.#shared.get(key);
    if (model) model.set(props);
    else {
      model = new HostModel({ ...defaults(component.data), ...props });
      if (group !== undefined) this.#shared.set(key, model);
    }
    this.#modules.style(component.css);
    el.replaceChildren(); // what stands in the page for readers without scripts
    await this.#modules.render(widget, model, el, this.#life.signal, this.#life.signal);
  }

  #props(name: string, text: string): Record<string, unknown> {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new ReaderError(TEXTS.props(name, error instanceof Error ? error.message : String(error)));
    }
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new ReaderError(TEXTS.props(name, text));
    return value as Record<string, unknown>;
  }

  // ---- widgets saved in the page's notebook -------------------------------------------------------------

  #componentOf(saved: SavedModel): Component | undefined {
    return this.#registry[
      String(saved.state._anywidget_id ?? "")
        .split(".")
        .at(-1) ?? ""
    ];
  }

  /** Puts back what the page left to the registry: a figure's published data. */
  async #savedState(page: Document | HTMLElement): Promise<SavedState> {
    const text = page.querySelector(STATE)?.textContent;
    const raw = text ? (JSON.parse(text) as { state: Record<string, SavedModel> }).state : {};
    for (const saved of Object.values(raw)) {
      const component = saved.model_module === "anywidget" ? this.#componentOf(saved) : undefined;
      const wanted = saved.state.data_sha256;
      if (!component || !wanted) continue;
      if (wanted !== component.data_sha256)
        throw new ReaderError(TEXTS.data(String(saved.state._anywidget_id)));
      const { defaults } = await this.#modules.load(component.esm);
      saved.state = { ...defaults(component.data), ...saved.state };
    }
    const state = new SavedState(raw);
    state.link();
    return state;
  }

  async #view(state: SavedState, id: string, el: HTMLElement): Promise<void> {
    const saved = state.raw[id];
    const model = state.model(id);
    if (!saved || !model) throw new ReaderError(TEXTS.state(id));
    if (saved.model_module === "anywidget") {
      const component = this.#componentOf(saved);
      const esm = (saved.state._esm as string | undefined) ?? component?.esm;
      if (!esm) throw new ReaderError(TEXTS.source(String(saved.state._anywidget_id ?? saved.model_name)));
      this.#modules.style((saved.state._css as string | undefined) ?? component?.css);
      const { widget } = await this.#modules.load(esm);
      await this.#modules.render(widget, model, el, this.#life.signal, this.#life.signal);
    } else if (saved.model_name in BOXES) {
      const box = h("div", { class: BOXES[saved.model_name] });
      el.append(box);
      await Promise.all(
        (model.get("children") as unknown[]).map((child) => {
          const part = h("div");
          box.append(part);
          return this.#view(state, String(child).replace(/^IPY_MODEL_/, ""), part);
        }),
      );
    } else if (saved.model_name in CONTROLS) {
      CONTROLS[saved.model_name](model, el);
    } else {
      el.append(
        h(
          "div",
          { class: "fwh-message" },
          h("p", {}, say(TEXTS.kernel(saved.model_name.replace(/Model$/, "")))),
        ),
      );
    }
  }
}

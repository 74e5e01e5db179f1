// Models without a kernel: the Backbone-like object that AFM
// modules expect, fed from a saved state or from defaults.
import type { AnyModel, Listener } from "../base/afm";
import { fromBase64, fromHex } from "../base/bytes";

export interface SavedBuffer {
  data: string;
  encoding: "base64" | "hex";
  path: (string | number)[];
}

export interface SavedModel {
  model_name: string;
  model_module: string;
  state: Record<string, unknown>;
  buffers?: SavedBuffer[];
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (
    typeof a !== "object" ||
    typeof b !== "object" ||
    !a ||
    !b ||
    a instanceof DataView ||
    b instanceof DataView
  )
    return false;
  return JSON.stringify(a) === JSON.stringify(b);
}

export class HostModel implements AnyModel {
  readonly widget_manager: { get_model(id: string): Promise<HostModel> };
  #values: Record<string, unknown>;
  #listeners = new Map<string, Set<Listener>>();

  constructor(
    values: Record<string, unknown>,
    lookup: (id: string) => HostModel | undefined = () => undefined,
  ) {
    this.#values = values;
    this.widget_manager = {
      get_model: async (id) => {
        const model = lookup(id.replace(/^IPY_MODEL_/, ""));
        if (!model) throw new Error(`the page's saved state has no model ${id}`);
        return model;
      },
    };
  }

  get(name: string): unknown {
    return this.#values[name];
  }

  set(name: string | Record<string, unknown>, value?: unknown): void {
    const changes = typeof name === "string" ? { [name]: value } : name;
    const changed = Object.entries(changes).filter(([key, next]) => !same(this.#values[key], next));
    for (const [key, next] of changed) this.#values[key] = next;
    for (const [key, next] of changed) this.#trigger(`change:${key}`, this, next);
    if (changed.length) this.#trigger("change", this);
  }

  /** There is no kernel to save to; the shared model already holds the value. */
  save_changes(): void {}

  on(names: string, listener: Listener): void {
    for (const name of names.split(/\s+/).filter(Boolean)) {
      if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
      this.#listeners.get(name)?.add(listener);
    }
  }

  off(names?: string | null, listener?: Listener | null): void {
    const chosen = names ? names.split(/\s+/).filter(Boolean) : [...this.#listeners.keys()];
    for (const name of chosen) {
      if (listener) this.#listeners.get(name)?.delete(listener);
      else this.#listeners.delete(name);
    }
  }

  /** A message for Python has nobody to go to in a static page. */
  send(): void {}

  #trigger(name: string, ...values: unknown[]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(...values);
      } catch (error) {
        console.error(`[frontier] a listener of ${name} failed:`, error);
      }
    }
  }
}

function restore(saved: SavedModel): Record<string, unknown> {
  const state = structuredClone(saved.state);
  for (const { data, encoding, path } of saved.buffers ?? []) {
    let place = state as Record<string | number, unknown>;
    for (const key of path.slice(0, -1)) place = place[key] as Record<string | number, unknown>;
    place[path[path.length - 1]] = encoding === "hex" ? fromHex(data) : fromBase64(data);
  }
  return state;
}

/** The models of one page: made once each, so that two views of a widget share theirs. */
export class SavedState {
  readonly raw: Record<string, SavedModel>;
  #models = new Map<string, HostModel>();

  constructor(raw: Record<string, SavedModel>) {
    this.raw = raw;
  }

  model(id: string): HostModel | undefined {
    const saved = this.raw[id];
    if (!saved) return undefined;
    let model = this.#models.get(id);
    if (!model) {
      model = new HostModel(restore(saved), (other) => this.model(other));
      this.#models.set(id, model);
    }
    return model;
  }

  reference(value: unknown): HostModel | undefined {
    return this.model(String(value).replace(/^IPY_MODEL_/, ""));
  }

  /** jslink and jsdlink: the source's value wins at the start, as in ipywidgets. */
  link(): void {
    for (const { model_name, state } of Object.values(this.raw)) {
      if (model_name !== "LinkModel" && model_name !== "DirectionalLinkModel") continue;
      const [sourceId, from] = state.source as [string, string];
      const [targetId, to] = state.target as [string, string];
      const source = this.reference(sourceId);
      const target = this.reference(targetId);
      if (!source || !target) continue;
      target.set(to, source.get(from));
      source.on(`change:${from}`, () => target.set(to, source.get(from)));
      if (model_name === "LinkModel") target.on(`change:${to}`, () => source.set(from, target.get(to)));
    }
  }
}

// The kernel-free host against saved ipywidgets states and <div data-component>.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AnyModule, RenderProps } from "../../src/base/afm";
import { HostModel, SavedState } from "../../src/host/models";
import { Modules } from "../../src/host/modules";
import { Host } from "../../src/host/page";

const counter: AnyModule = {
  default: {
    render({ model, el }: RenderProps) {
      const button = document.createElement("button");
      const show = (): void => {
        button.textContent = String(model.get("count"));
      };
      button.onclick = () => {
        model.set("count", Number(model.get("count")) + 1);
        model.save_changes();
      };
      model.on("change:count", show);
      show();
      el.append(button);
    },
  },
  defaults: (data) => ({ count: (data as { start: number }).start, bytes: new DataView(new ArrayBuffer(3)) }),
};
const broken: AnyModule = {
  default: {
    render: () => {
      throw new Error("render failed on purpose");
    },
  },
};
const sources: Record<string, AnyModule> = { counter, broken };
const entry = (esm: string) => ({ esm, css: ".x{}", data: { start: 7 }, data_sha256: "abc" });
const registry = { Counter: entry("counter"), Broken: entry("broken") };
const host = (): Host => new Host(registry, new Modules(async (source) => sources[source]));
const anywidget = (name: string, state: Record<string, unknown> = {}) => ({
  model_name: "AnyModel",
  model_module: "anywidget",
  state: { _anywidget_id: `package.${name}`, ...state },
});
const control = (name: string, state: Record<string, unknown>) => ({
  model_name: name,
  model_module: "@jupyter-widgets/controls",
  state: { _model_name: name, ...state },
});

function page(state: Record<string, unknown>, ...views: string[]): void {
  document.body.innerHTML = "<main></main>";
  const add = (type: string, content: unknown): void => {
    const script = document.createElement("script");
    script.type = type;
    script.textContent = JSON.stringify(content);
    document.querySelector("main")?.append(script);
  };
  add("application/vnd.jupyter.widget-state+json", { version_major: 2, version_minor: 0, state });
  for (const model_id of views)
    add("application/vnd.jupyter.widget-view+json", { model_id, version_major: 2, version_minor: 0 });
}

const buttons = (): HTMLButtonElement[] => [...document.querySelectorAll("button")];

beforeEach(() => document.documentElement.setAttribute("lang", "en"));
afterEach(() => vi.restoreAllMocks());

describe("data-component", () => {
  it("mounts from the registry's data, with the page's props, and clears the fallback text", async () => {
    document.body.innerHTML = `
      <div data-component="Counter">fallback</div>
      <div data-component="Counter" data-props='{"count":3}'></div>`;
    await host().start(document);
    expect(buttons().map((b) => b.textContent)).toEqual(["7", "3"]);
    expect(document.body.textContent).not.toContain("fallback");
    expect([...document.querySelectorAll("[data-ready='1']")]).toHaveLength(2);
  });

  it("shares one model between the places of a group, and only there", async () => {
    document.body.innerHTML = `
      <div data-component="Counter" data-share="a"></div>
      <div data-component="Counter" data-share="a"></div>
      <div data-component="Counter"></div>`;
    await host().start(document);
    buttons()[0].click();
    expect(buttons().map((b) => b.textContent)).toEqual(["8", "8", "7"]);
  });

  it("says what is wrong in the page and leaves the other figures alone", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    document.body.innerHTML = `
      <div data-component="Nope"></div>
      <div data-component="Counter" data-props="{oops"></div>
      <div data-component="Counter" data-props="[1]"></div>
      <div data-component="Broken"></div>
      <div data-component="Counter"></div>`;
    await host().start(document);
    const alerts = [...document.querySelectorAll("[role=alert]")].map((el) => el.textContent);
    expect(alerts).toHaveLength(4);
    expect(alerts[0]).toContain('no component named "Nope"');
    expect(alerts[1]).toContain("not a JSON object");
    expect(alerts[3]).toContain("render failed on purpose");
    expect(buttons()).toHaveLength(1);
    expect(log).toHaveBeenCalledTimes(4);
  });
});

describe("saved widget state", () => {
  it("restores binary traits, and completes published data from the registry", async () => {
    const seen: unknown[] = [];
    sources.probe = {
      default: { render: ({ model }) => void seen.push(model.get("bytes"), model.get("count")) },
      defaults: counter.defaults,
    };
    page(
      {
        a: {
          ...anywidget("Counter", { _esm: "probe" }),
          buffers: [{ path: ["bytes"], encoding: "base64", data: "AQID" }],
        },
        b: anywidget("Counter", { data_sha256: "abc", _esm: "probe" }),
      },
      "a",
      "b",
    );
    await host().start(document);
    expect([...new Uint8Array((seen[0] as DataView).buffer)]).toEqual([1, 2, 3]);
    expect(seen[1]).toBeUndefined();
    expect((seen[2] as DataView).byteLength).toBe(3);
  });

  it("refuses to complete a figure from other data than it was made with", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    page({ a: anywidget("Counter", { data_sha256: "other" }) }, "a");
    await host().start(document);
    expect(document.querySelector("[role=alert]")?.textContent).toContain("run the notebook again");
  });

  it("two views of one widget share its model; sliders, boxes and jslink work", async () => {
    page(
      {
        a: anywidget("Counter", { count: 1 }),
        s: control("IntSliderModel", { value: 5, min: 0, max: 9, step: 1, description: "n" }),
        v: control("VBoxModel", { children: ["IPY_MODEL_s", "IPY_MODEL_a"] }),
        l: {
          model_name: "LinkModel",
          model_module: "@jupyter-widgets/controls",
          state: { source: ["IPY_MODEL_s", "value"], target: ["IPY_MODEL_a", "count"] },
        },
      },
      "v",
      "a",
    );
    await host().start(document);
    expect(buttons().map((b) => b.textContent)).toEqual(["5", "5"]);
    const slider = document.querySelector("input") as HTMLInputElement;
    slider.value = "8";
    slider.dispatchEvent(new Event("input"));
    expect(buttons().map((b) => b.textContent)).toEqual(["8", "8"]);
    buttons()[0].click();
    expect(slider.value).toBe("9");
  });

  it("shows an HTML widget as text: markup from a state is never run", async () => {
    page({ x: control("HTMLModel", { value: "<b>bold</b><img src=x onerror=alert(1)>" }) }, "x");
    await host().start(document);
    expect(document.querySelector("main img, main b")).toBeNull();
    expect(document.querySelector("main")?.textContent).toContain("bold");
  });

  it("tells the reader where a control needs a kernel, and where a state is missing", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    page({ x: control("FileUploadModel", {}) }, "x", "gone");
    await host().start(document);
    expect(document.querySelector("main")?.textContent).toContain("(FileUpload) needs a running kernel");
    expect(document.querySelector("[role=alert]")?.textContent).toContain("no state of widget gone");
  });

  it("refuses a module that lies elsewhere", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    page({ a: anywidget("Else", { _esm: "https://example.org/x.js" }) }, "a");
    await host().start(document);
    expect(document.querySelector("[role=alert]")?.textContent).toContain("loads nothing from elsewhere");
  });
});

describe("models", () => {
  it("tells listeners once for each real change, and one bad listener does not stop the rest", () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const model = new HostModel({ a: 1, list: [1] });
    const good = vi.fn();
    model.on("change:a", () => {
      throw new Error("x");
    });
    model.on("change:a change:list", good);
    model.set({ a: 2, list: [1] });
    expect(good).toHaveBeenCalledTimes(1);
    expect(log).toHaveBeenCalledTimes(1);
    model.off("change:a", good);
    model.set("a", 3);
    expect(good).toHaveBeenCalledTimes(1);
  });

  it("jsdlink goes one way", () => {
    const raw = {
      a: anywidget("Counter", { x: 1 }),
      b: anywidget("Counter", { x: 2 }),
      l: {
        model_name: "DirectionalLinkModel",
        model_module: "",
        state: { source: ["IPY_MODEL_a", "x"], target: ["IPY_MODEL_b", "x"] },
      },
    };
    const state = new SavedState(raw);
    state.link();
    expect(state.model("b")?.get("x")).toBe(1);
    state.model("b")?.set("x", 5);
    expect(state.model("a")?.get("x")).toBe(1);
  });
});

// A sentence that the reader types: read by the model in the page, with weights from a script or from the
// kernel.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import config from "../../../src/frontier_lab/checkpoints/mixtral/config.json";
import tokenizer from "../../../src/frontier_lab/checkpoints/mixtral/tokenizer.json";
import weights from "../../../src/frontier_lab/checkpoints/mixtral/model.safetensors?inline";
import data from "../../frontier_widgets/data/moe_routing.json";
import { fromBase64 } from "../../src/base/bytes";
import { HostModel } from "../../src/host/models";
import golden from "../golden/tiny_model.json";
import { standIns } from "../jsdom";

const BASE64 = weights.slice(weights.indexOf(",") + 1);
const SENTENCE = golden.mixtral.sentences[0] as Required<(typeof golden.mixtral.sentences)[0]>;
type Widget = typeof import("../../src/moe_routing/index");
let moe: Widget;

beforeAll(() => {
  standIns();
});
beforeEach(async () => {
  vi.resetModules(); // models are loaded once for each module
  moe = await import("../../src/moe_routing/index");
  document.documentElement.setAttribute("lang", "en");
});
afterEach(() => {
  ends.splice(0).forEach((end) => end());
  document.head.replaceChildren();
  delete window.frontierCheckpoints;
  delete window.frontierStatic;
});

const ends: (() => void)[] = [];

/** A model whose messages to the kernel `answer` sees. */
class KernelModel extends HostModel {
  #hear: ((...values: unknown[]) => void)[] = [];
  sent: unknown[] = [];
  answer: (hear: (...values: unknown[]) => void) => void = () => undefined;
  override on(names: string, listener: (...values: unknown[]) => void): void {
    if (names === "msg:custom") this.#hear.push(listener);
    else super.on(names, listener);
  }
  override send(content?: unknown): void {
    this.sent.push(content);
    this.answer((...values) => this.#hear.forEach((listener) => listener(...values)));
  }
}

function mount(props: Record<string, unknown> = {}): { el: HTMLElement; model: KernelModel } {
  const model = new KernelModel({ ...moe.defaults(data), ...props });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  ends.push(moe.default.render({ model, el }));
  return { el, model };
}

/** A busy machine takes its time; what never comes is still a fault. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000 });

const field = (el: HTMLElement): HTMLInputElement =>
  el.querySelector<HTMLInputElement>(".fw-sentence-input")!;
const status = (el: HTMLElement): string => el.querySelector(".fw-sentence-status")?.textContent ?? "";
const press = (el: HTMLElement, name: RegExp): void =>
  [...el.querySelectorAll("button")].find((one) => name.test(one.textContent ?? ""))!.click();

function type(el: HTMLElement, text: string): void {
  field(el).focus();
  field(el).value = text;
  field(el).dispatchEvent(new Event("input", { bubbles: true }));
}

function inPage(): void {
  window.frontierStatic = "https://example.org/_static/";
  window.frontierCheckpoints = {
    mixtral: { config: config as never, tokenizer: tokenizer as never, weights: BASE64 },
  };
}

describe("a sentence of the reader", () => {
  it("is cut, routed and continued, and the example comes back", async () => {
    inPage();
    const { el, model } = mount();
    const before = model.get("tokens");
    expect(el.querySelector(".fw-next li")).toBeNull();
    el.querySelector<HTMLDetailsElement>(".fw-compare")!.open = true;
    el.querySelector(".fw-compare")!.dispatchEvent(new Event("toggle"));
    type(el, SENTENCE.text);
    await eventually(() => expect(model.get("sentence")).toBe(SENTENCE.text));
    await eventually(() => expect(status(el)).toMatch(/0\.58 M parameters read \d+ tokens/));
    expect(model.get("shape")).toEqual([1, 4, SENTENCE.ids.length, 8]);
    expect(el.querySelectorAll("[role=option][data-token]")).toHaveLength(SENTENCE.ids.length);
    expect(el.querySelectorAll(".fw-next li")).toHaveLength(8);
    expect(el.querySelector(".fw-source")?.textContent).toContain("reading your sentence");
    expect(document.activeElement).toBe(field(el)); // the figure was built anew under the reader's hands
    expect(field(el).value).toBe(SENTENCE.text);
    expect(el.querySelector<HTMLDetailsElement>(".fw-compare")!.open).toBe(true);
    expect(el.querySelector<HTMLDataElement>("[data-router=top2-cv]")!.value).not.toBe("");

    press(el, /Continue/);
    await eventually(() =>
      expect((model.get("tokens") as string[]).length).toBeGreaterThan(SENTENCE.ids.length),
    );
    expect(field(el).value.startsWith(SENTENCE.text)).toBe(true);

    press(el, /Back/);
    await eventually(() => expect(el.querySelectorAll("[role=option][data-token]")).toHaveLength(48));
    expect(model.get("tokens")).toEqual(before);
    expect(model.get("sentence")).toBe("");
  });

  it("shows the bytes of a character as its parts", async () => {
    inPage();
    const { el, model } = mount();
    type(el, "图书馆里");
    await eventually(() => expect(model.get("sentence")).toBe("图书馆里"));
    const labels = [...el.querySelectorAll(".fw-chip .fw-token")].map((chip) => chip.textContent);
    expect(labels.join("")).toContain("馆₁馆₂馆₃");
    expect(model.get("tokens")).toContain("<0xE9>"); // the reader's data keep the tokens as they are
    const bytes = (model.get("tokens") as string[]).indexOf("<0xE9>");
    for (const token of [bytes, bytes + 1]) {
      model.set("selected_token", token);
      await eventually(() => expect(el.querySelector(".fw-next p")?.textContent).toContain(labels[token]));
      const next = [...el.querySelectorAll(".fw-next .fw-token")].map((mark) => mark.textContent ?? "");
      expect(next.join()).not.toContain("<0x");
      expect(
        next.some((mark) => /^(?:char[₂₃] |.[₃]$)/u.test(mark)),
        next.join(),
      ).toBe(true);
    }
  });

  it("gives the routing that PyTorch gives", async () => {
    inPage();
    const { el, model } = mount();
    type(el, SENTENCE.text);
    await eventually(() => expect(model.get("sentence")).toBe(SENTENCE.text));
    const found = model.get("logits") as DataView;
    const wanted = fromBase64(SENTENCE.routers);
    expect(found.byteLength).toBe(wanted.byteLength);
    for (let at = 0; at < wanted.byteLength; at += 4)
      expect(found.getFloat32(at, true)).toBeCloseTo(wanted.getFloat32(at, true), 3);
  });

  it("shows what follows the token that is chosen", async () => {
    inPage();
    const { el, model } = mount();
    type(el, SENTENCE.text);
    await eventually(() => expect(el.querySelectorAll(".fw-next li")).toHaveLength(8));
    const last = el.querySelector(".fw-next")?.textContent;
    model.set("selected_token", 0);
    await eventually(() => expect(el.querySelector(".fw-next")?.textContent).not.toBe(last));
  });

  it("measures what an expert was worth to the sentence", async () => {
    inPage();
    const { el, model } = mount({ layer: SENTENCE.off.layer });
    const line = (): HTMLElement => el.querySelector<HTMLElement>(".fw-off")!;
    model.set("selected_expert", SENTENCE.off.expert);
    await new Promise((resolve) => setTimeout(resolve));
    expect(line().hidden).toBe(true); // the example's losses are not the page's to measure
    type(el, SENTENCE.text);
    await eventually(() => expect(model.get("sentence")).toBe(SENTENCE.text));
    model.set("selected_expert", SENTENCE.off.expert);
    await eventually(() => expect(line().hidden).toBe(false));
    expect(Number(line().querySelector("data")!.value)).toBeCloseTo(SENTENCE.loss_off - SENTENCE.loss, 4);
  });

  it("reads no more than the figure can show, and says so", async () => {
    inPage();
    const { el, model } = mount();
    type(el, "word ".repeat(300));
    await eventually(() => expect(status(el)).toContain("Only the first 96 tokens are read"));
    expect(model.get("tokens")).toHaveLength(96);
  });

  it("asks the kernel where there is no static page, once", async () => {
    const { el, model } = mount();
    model.answer = (hear) =>
      hear({ type: "checkpoint", name: "mixtral", config, tokenizer }, [fromBase64(BASE64)]);
    expect(model.sent).toEqual([]);
    type(el, "one");
    await eventually(() => expect(model.get("sentence")).toBe("one"));
    type(el, "one two");
    await eventually(() => expect(model.get("sentence")).toBe("one two"));
    expect(model.sent).toEqual([{ type: "checkpoint", name: "mixtral" }]);
  });

  it("says what is wrong, and tries again when asked again", async () => {
    const { el, model } = mount();
    model.answer = (hear) =>
      hear(
        { type: "checkpoint", name: "mixtral", error: "ModuleNotFoundError: No module named 'frontier_lab'" },
        [],
      );
    type(el, "one");
    await eventually(() => expect(status(el)).toContain("No module named 'frontier_lab'"));
    expect(model.get("tokens")).toHaveLength(48);
    inPage();
    type(el, "one");
    await eventually(() => expect(model.get("sentence")).toBe("one"));
  });

  it("names the script that a page lacks", async () => {
    window.frontierStatic = "https://example.org/_static/";
    const { el } = mount();
    type(el, "one");
    await eventually(() => expect(document.head.querySelector("script")).not.toBeNull());
    const script = document.head.querySelector("script")!;
    expect(script.src).toBe("https://example.org/_static/frontier-checkpoint-mixtral.js");
    script.dispatchEvent(new Event("error"));
    await eventually(() => expect(status(el)).toContain("frontier-checkpoint-mixtral.js cannot be loaded"));
  });

  it("is not offered for the reader's own logits", () => {
    const { el } = mount({ live: "" });
    expect(el.querySelector(".fw-sentence")).toBeNull();
  });
});

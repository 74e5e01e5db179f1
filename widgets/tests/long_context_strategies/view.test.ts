// The component's view on its published data, without a browser.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import data from "../../frontier_widgets/data/long_context_strategies.json";
import { RIVALS } from "../../src/long_context_strategies/cost";
import { KINDS } from "../../src/long_context_strategies/masks";
import { HostModel } from "../../src/host/models";
import { fromAddress, toAddress } from "../../src/long_context_strategies/address";
import { bill } from "../../src/long_context_strategies/bill";
import { reached } from "../../src/long_context_strategies/drawings/mask";
import { bytes, contextOf, percent, seconds, short } from "../../src/long_context_strategies/units";
import { conditionName, conditions, GROUPS } from "../../src/long_context_strategies/conditions";
import { CHOICES, INITIAL, readData, readState, TOPICS } from "../../src/long_context_strategies/state";
import { STRINGS } from "../../src/long_context_strategies/strings";
import widget, { defaults } from "../../src/long_context_strategies/index";
import { settle, standIns } from "../jsdom";

beforeAll(() => {
  standIns();
});
beforeEach(() => {
  document.documentElement.setAttribute("lang", "en");
  history.replaceState(null, "", "#");
});

const mounted: (() => void)[] = [];
afterEach(() => mounted.splice(0).forEach((end) => end()));

function mount(props: Record<string, unknown> = {}): { el: HTMLElement; model: HostModel; end: () => void } {
  const model = new HostModel({ ...defaults(data), ...props });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const end = widget.render({ model, el });
  mounted.push(end);
  return { el, model, end };
}

const visible = (el: HTMLElement, selector: string): HTMLElement[] =>
  [...el.querySelectorAll<HTMLElement>(selector)].filter((found) => !found.closest("[hidden]"));
const value = (el: HTMLElement, name: string): string =>
  visible(el, `data[data-name="${name}"]`)[0].getAttribute("value") ?? "";
const press = (el: HTMLElement, name: string): void =>
  visible(el, "button")
    .find((button) => button.textContent === name)!
    .click();

describe("LongContextStrategies", () => {
  it.each(KINDS)("draws %s and says how many cells", (kind) => {
    const { el, model } = mount({ kind, tokens: 24 });
    const state = readState(model, readData(model, STRINGS.en));
    expect(Number(value(el, "cells"))).toBe(state.mask.reduce((a, b) => a + b, 0));
    expect(Number(value(el, "first"))).toBe(state.seenAfter[0]);
    expect(visible(el, "svg[role=img]").length).toBe(2);
  });

  it.each(TOPICS)("shows one topic at a time: %s", async (topic) => {
    const { el, model } = mount();
    model.set("topic", topic);
    await settle();
    expect(visible(el, ".fw-topic").map((panel) => panel.className)).toEqual([`fw-topic fw-topic-${topic}`]);
    expect(
      visible(el, "svg[role=img]").every((drawing) => (drawing.getAttribute("aria-label") ?? "").length > 10),
    ).toBe(true);
    expect(el.textContent).not.toMatch(/NaN|undefined|Infinity/);
    model.set("view", "table");
    await settle();
    expect(el.querySelectorAll(".fw-tables table tbody tr").length).toBeGreaterThan(4);
    expect(el.querySelector(".fw-tables")?.textContent).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("answers the three questions as the figure does", async () => {
    const { el, model } = mount({ kind: "window", window: 8, tokens: 41, causal: true });
    expect(value(el, "first")).toBe("6");
    for (const [topic, which] of [
      ["mask", 0],
      ["position", 1],
      ["cost", 2],
    ] as const) {
      model.set("topic", topic);
      await settle();
      const { options, right, why } = STRINGS.en.questions[which];
      const shown = (): string => visible(el, ".fw-reveal")[0].textContent ?? "";
      expect(shown()).toBe("");
      press(el, options[(right + 1) % options.length]);
      expect(shown()).toContain(STRINGS.en.wrong);
      press(el, options[right]);
      expect(shown()).toContain(STRINGS.en.correct);
      expect(shown()).toContain(why);
      expect(visible(el, ".fw-question [aria-pressed=true]").map((button) => button.textContent)).toEqual([
        options[right],
      ]);
    }
    model.set({ topic: "position", method: "linear", scale: 8, rope: "measured" });
    await settle();
    expect(visible(el, "data[data-name=resolution]")[0].parentElement?.textContent).toContain("13%");
    model.set({ topic: "cost", kind: "window", wide: 4096, length: 1 << 20, model: "Llama-3.1-8B" });
    await settle();
    const { now, causal } = bill(readState(model, readData(model, STRINGS.en)));
    expect(causal.cache / now.cache).toBe(256);
    expect(Number(value(el, "cache"))).toBe(now.cache);
    expect(causal.attention / now.attention).toBeCloseTo(128, 0);
  });

  it("sets the cache against a state that does not grow", async () => {
    const { el, model } = mount({ topic: "cost", kind: "causal" });
    const line = (): HTMLElement | undefined =>
      visible(el, ".fw-story").find((element) => element.hasAttribute("data-state"));
    expect(line()).toBeUndefined();
    for (const rival of RIVALS) {
      model.set("rival", rival);
      await settle();
      const found = bill(readState(model, readData(model, STRINGS.en))).rival!;
      expect(line()?.dataset.state).toBe(String(found.state));
      expect(line()?.dataset.from).toBe(String(found.from));
      expect(line()?.textContent).toContain(STRINGS.en.rivals[rival]);
      expect(line()?.textContent).toContain(found.from!.toLocaleString("en"));
    }
    model.set({ kind: "window", wide: 16, rival: "retnet" });
    await settle();
    expect(line()?.textContent).toContain(STRINGS.en.noCrossing);
    model.set("view", "table");
    await settle();
    expect(visible(el, "th").map((cell) => cell.textContent)).toContain(
      STRINGS.en.tables.rivalColumn("RetNet"),
    );
  });

  it("leads through the tour and back out", async () => {
    const { el, model } = mount();
    press(el, STRINGS.en.startStory);
    for (let step = 0; step < STRINGS.en.stories.length; step++) {
      await settle();
      expect(model.get("story")).toBe(step);
      expect(visible(el, ".fw-tour .fw-story")[0].textContent).toBe(STRINGS.en.stories[step]);
      press(el, step === STRINGS.en.stories.length - 1 ? STRINGS.en.endStory : STRINGS.en.next);
    }
    await settle();
    expect(visible(el, ".fw-tour")).toEqual([]);
    expect(model.get("topic")).toBe("cost");
  });

  it("has as many words in the tour as steps, in both languages", () => {
    expect(STRINGS.zh.stories.length).toBe(STRINGS.en.stories.length);
    expect(STRINGS.zh.questions.map(({ right, options }) => [right, options.length])).toEqual(
      STRINGS.en.questions.map(({ right, options }) => [right, options.length]),
    );
  });

  it("carries its state in the address, and takes only what it knows from there", async () => {
    const { el, model } = mount();
    model.set({ topic: "cost", kind: "sinks", causal: false, scale: 2.5, length: 4096 });
    await settle();
    press(el, STRINGS.en.share);
    const link = "#lcs=1&topic=cost&kind=sinks&causal=false&scale=2.5&length=4096";
    expect(location.hash).toBe(link);
    const later = mount();
    await settle();
    expect(later.model.get("topic"), "what this page shared itself is not taken back").toBe("mask");
    history.replaceState(null, "", `${link}&tokens=40`);
    const again = mount();
    await settle();
    for (const name of CHOICES.filter((one) => one !== "tokens"))
      expect(again.model.get(name), name).toEqual(model.get(name));
    expect(again.model.get("tokens")).toBe(40);
    expect(fromAddress("#section")).toBeNull();
    expect(fromAddress("#lcs&kind=%3Cb%3E&layers=x&seed=&view=table&nonsense=1&tokens=9")).toEqual({
      figure: 1, // as links were written before they named their figure
      choices: { kind: "<b>", tokens: 9 },
    });
    expect(toAddress(2, INITIAL, INITIAL)).toBe("#lcs=2");
  });

  it("says that the link is copied, or where it is to be found", async () => {
    const { el, model } = mount();
    const live = (): string => el.querySelector("[aria-live]")?.textContent ?? "";
    const texts: string[] = [];
    const own = navigator;
    vi.stubGlobal("navigator", { clipboard: { writeText: async (text: string) => void texts.push(text) } });
    model.set("kind", "full");
    await settle();
    press(el, STRINGS.en.share);
    await vi.waitFor(() => expect(live()).toBe(STRINGS.en.copied));
    expect(texts).toEqual([location.href]);
    vi.stubGlobal("navigator", {});
    press(el, STRINGS.en.copied); // the button says so too, for a while
    await vi.waitFor(() => expect(live()).toBe(STRINGS.en.inAddress)); // jsdom copies in no way
    vi.stubGlobal("navigator", own);
  });

  it("gives the address to the figure that it names", async () => {
    history.replaceState(null, "", "#lcs=2&kind=strided");
    const models = [0, 1, 2].map(() => new HostModel({ ...defaults(data) }));
    const places = models.map(() => document.createElement("div"));
    document.body.replaceChildren(...places);
    for (const i of [2, 1, 0]) mounted.push(widget.render({ model: models[i], el: places[i] }));
    await settle();
    expect(models.map((model) => model.get("kind"))).toEqual(["window", "strided", "window"]);
    press(places[2], STRINGS.en.share);
    expect(location.hash).toBe("#lcs=3");
  });

  it("carries a usual choice where the figure's author had set another", async () => {
    const { el, model } = mount({ topic: "cost", kind: "sinks" });
    model.set("topic", INITIAL.topic);
    await settle();
    press(el, STRINGS.en.share);
    expect(location.hash).toBe("#lcs=1&topic=mask");
  });

  it("keeps values out of range out of the figure", () => {
    const { el } = mount({
      kind: "nonsense",
      tokens: 1e9,
      window: -3,
      method: "?",
      model: "?",
      length: NaN,
      scale: 1e9,
      topic: "?",
    });
    expect(visible(el, ".fw-topic-mask").length).toBe(1);
    expect(value(el, "cells")).toBe("96");
  });

  it("says which data does not fit", () => {
    const silence = vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect(
      mount({ config: { ...(data.config as object), base: "x" } }).el.querySelector("[role=alert]")
        ?.textContent,
    ).toContain("base of config is x");
    expect(
      mount({ curves: { own: { loss: [[1]], recall: [] } } }).el.querySelector("[role=alert]")?.textContent,
    ).toContain("loss of own in curves has 1 rows, wanted 4");
    silence.mockRestore();
  });

  it("shows every published condition in a group, and one group at a time", async () => {
    const { el, model } = mount({ topic: "measured" });
    const shown: string[] = [];
    for (const group of GROUPS) {
      model.set("group", group);
      await settle();
      const names = conditions(readData(model, STRINGS.en), group);
      for (const name of names) expect(el.textContent).toContain(conditionName(name, STRINGS.en));
      shown.push(...names);
    }
    expect(new Set(shown)).toEqual(new Set(Object.keys(data.curves)));
    expect(visible(el, ".fw-topic-measured .fw-drawing").length).toBe(2);
  });

  it("opens what was measured with a headline and at most twelve controls", () => {
    const { el } = mount({ topic: "measured" });
    const [headline] = visible(el, ".fw-headline");
    expect(headline.textContent).toMatch(/480 tokens back: RoPE unchanged \d+%/);
    expect(el.querySelector("[aria-live]")).not.toBeNull();
    expect(visible(el, "input, select, button").length).toBeLessThanOrEqual(12);
  });

  it("treats names of curves as text", async () => {
    const evil = "<img src=x onerror=alert(1)>";
    const { el } = mount({
      topic: "measured",
      curves: { base: data.curves.base, [evil]: data.curves.alibi },
    });
    await settle();
    expect(el.querySelector("img")).toBeNull();
    expect(el.textContent).toContain(evil);
  });

  it("leaves nothing behind", async () => {
    const { el, model, end } = mount();
    end();
    expect(el.childNodes.length).toBe(0);
    model.set("topic", "cost");
    await settle();
    expect(el.childNodes.length).toBe(0);
  });
});

describe("what is drawn", () => {
  it("the light cells are those of the mask multiplied by itself", () => {
    const n = 13;
    const mask = Uint8Array.from({ length: n * n }, (_, at) =>
      at % n === Math.floor(at / n) || (at * 7919) % 11 === 0 ? 1 : 0,
    );
    let power = Uint8Array.from({ length: n * n }, (_, at) => (at % n === Math.floor(at / n) ? 1 : 0));
    for (let layers = 1; layers <= 4; layers++) {
      power = Uint8Array.from({ length: n * n }, (_, at) =>
        Number(
          Array.from(
            { length: n },
            (_, k) => power[Math.floor(at / n) * n + k] && mask[k * n + (at % n)],
          ).some(Boolean),
        ),
      );
      expect([...reached(mask, n, layers)]).toEqual([...power]);
    }
  });

  it("numbers are short", () => {
    expect([short(999), short(1234), short(5.4e12), bytes(537e6), bytes(12)]).toEqual([
      "999",
      "1.23 k",
      "5.4 T",
      "537 MB",
      "12 B",
    ]);
    expect([
      seconds(2.5),
      seconds(0.00495),
      seconds(2e-6),
      contextOf(512),
      contextOf(131072),
      contextOf(1 << 20),
    ]).toEqual(["2.5 s", "4.95 ms", "2 µs", "512", "128 k", "1 M"]);
    expect([percent(1), percent(0.1547), percent(0.031), percent(0.0039)]).toEqual([
      "100%",
      "15%",
      "3.1%",
      "0.39%",
    ]);
  });
});

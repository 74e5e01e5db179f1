// The component's view on its published data, without a browser; what canvases show is tested in one.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import data from "../../frontier_widgets/data/attention_pattern_analyzer.json";
import { ROOM } from "../../src/base/chart";
import { difference, drawScatter, extent, thumbnail } from "../../src/attention_pattern_analyzer/draw";
import { shown } from "../../src/base/text";
import { readData, type Reading } from "../../src/attention_pattern_analyzer/reading";
import { readState } from "../../src/attention_pattern_analyzer/state";
import { STRINGS } from "../../src/attention_pattern_analyzer/strings";
import { defaults } from "../../src/attention_pattern_analyzer/index";
import { KINDS, METRICS } from "../../src/attention_pattern_analyzer/patterns";
import { HostModel } from "../../src/host/models";
import { settle } from "../jsdom";
import { inPage, leave, mount, prepare, type, value } from "./page";

beforeAll(prepare);
beforeEach(() => document.documentElement.setAttribute("lang", "en"));
afterEach(leave);

const chosen = (el: HTMLElement): string | null =>
  el.querySelector(".fw-head[aria-selected=true]")!.getAttribute("data-head");
const index = (name: string): number => data.examples.findIndex((example) => example.name === name);

describe("AttentionPatternAnalyzer", () => {
  it("shows every head with what it is, and goes to the one that is clicked", async () => {
    const { el, model } = mount();
    const cells = el.querySelectorAll<HTMLElement>(".fw-head");
    expect(cells).toHaveLength(4);
    expect(cells[3].textContent).toContain("Layer 1, head 1, induction");
    cells[3].click();
    await settle();
    expect([model.get("layer"), model.get("head")]).toEqual([1, 1]);
    expect(chosen(el)).toBe("1.1");
    expect(value(el, "induction")).toBeGreaterThan(0.7);
    expect(el.querySelector(".fw-worth")?.textContent).toContain("the loss changes by 0.9");
  });

  it("moves between heads with arrows", async () => {
    const { el, model } = mount();
    const first = el.querySelector<HTMLElement>(".fw-head")!;
    expect(el.querySelectorAll(".fw-head[tabindex='0']")).toHaveLength(1);
    first.focus();
    first.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    await settle();
    expect(model.get("head")).toBe(1);
    document.activeElement!.dispatchEvent(new KeyboardEvent("keydown", { key: "PageDown", bubbles: true }));
    await settle();
    expect([model.get("layer"), model.get("head")]).toEqual([1, 0]);
  });

  it("shows the head under the pointer until it leaves, and keeps the chosen one", async () => {
    const { el, model } = mount();
    const cell = el.querySelectorAll<HTMLElement>(".fw-head")[2];
    const caption = (): string => el.querySelector(".fw-focus .fw-caption")!.textContent!;
    const over = new MouseEvent("pointerover", { bubbles: true });
    Object.defineProperty(over, "pointerType", { value: "mouse" });
    cell.dispatchEvent(over);
    expect(caption()).toContain("Layer 1, head 0 · induction (under the pointer");
    el.querySelector(".fw-grid")!.dispatchEvent(new MouseEvent("pointerleave"));
    expect(caption()).toBe("Layer 0, head 0 · previous token");
    expect(model.get("layer")).toBe(0);
  });

  it("reads a token in both directions", async () => {
    const { el, model } = mount({ layer: 1, head: 1, token: 27 });
    const line = (): string => el.querySelector(".fw-panel .fw-tokens ~ .fw-line")!.textContent!;
    expect(line()).toMatch(/Token 27 “q” looks most at: 8 T 0\.9/);
    model.set("token", 8);
    model.set("direction", "to");
    await settle();
    expect(line()).toMatch(/Looking most at token 8 “T”: 27 q 0\.9/);
    el.querySelectorAll<HTMLElement>(".fw-chip")[3].click();
    await settle();
    expect(model.get("token")).toBe(3);
  });

  it("colours the grid by any number", async () => {
    const { el, model } = mount({ lens: "loss" });
    const badges = (): number[] =>
      [...el.querySelectorAll(".fw-head .fw-badge")].map((badge) => Number(badge.textContent));
    expect(badges().every((loss) => loss > 0.5)).toBe(true);
    const zero = badges();
    model.set("removal", "mean");
    await settle();
    expect(badges()).not.toEqual(zero);
    model.set("lens", "previous");
    await settle();
    expect(badges()[0]).toBeGreaterThan(0.4);
  });

  it("shows what predictions change by where there is no next token whose loss could", async () => {
    const { el, model } = mount({ lens: "loss" });
    const badges = (): (string | null)[] =>
      [...el.querySelectorAll(".fw-head .fw-badge")].map((badge) => badge.textContent);
    model.set("example", index("encoder"));
    await settle();
    expect(badges()).toHaveLength(16);
    expect(badges()).not.toContain("–");
    model.set("example", 0);
    await settle();
    expect(badges().every((loss) => Number(loss) > 0.5)).toBe(true);
  });

  it("dims the heads outside the brush, which numbers set as well as the pointer", async () => {
    const { el, model } = mount({ brush: [-0.2, 0.2, 0.5, 1] });
    expect([...el.querySelectorAll(".fw-dim")].map((cell) => cell.getAttribute("data-head"))).toEqual([
      "0.0",
      "0.1",
    ]);
    const low = el.querySelectorAll<HTMLInputElement>(".fw-bound")[2];
    low.value = "0.8";
    low.dispatchEvent(new Event("change"));
    await settle();
    expect(el.querySelectorAll(".fw-dim")).toHaveLength(3);
    [...el.querySelectorAll("button")].find((button) => button.textContent === "Clear")!.click();
    await settle();
    expect(model.get("brush")).toEqual([]);
    expect(el.querySelectorAll(".fw-dim")).toHaveLength(0);
  });

  it("draws what two models differ in on the same tokens, and both where tokens differ", async () => {
    const { el, model } = mount({ layer: 1, head: 1, versus: index("induction-test-600") });
    expect(el.querySelector(".fw-heat")!.getAttribute("aria-label")).toContain(
      "this one minus “The same sequence, at training step 600”",
    );
    expect(el.querySelectorAll(".fw-heat:not([hidden])")).toHaveLength(1);
    model.set("versus", index("verse"));
    await settle();
    expect(el.querySelectorAll(".fw-heat:not([hidden])")).toHaveLength(2);
    const readings = readData(model, STRINGS.en);
    const gap = difference(
      { ...readState(model, readings), versus: readings[index("induction-test-600")] },
      1,
      1,
    )!;
    for (let t = 0; t < 40; t++)
      expect(gap.subarray(40 * t, 40 * t + 40).reduce((sum, x) => sum + x, 0)).toBeCloseTo(0, 1);
    expect(gap[27 * 40 + 8]).toBeGreaterThan(0.5);
  });

  it("keeps choices within the reading that it goes to", async () => {
    const { el, model } = mount({ example: index("encoder"), layer: 3, head: 3, token: 31 });
    expect(el.querySelectorAll(".fw-head")).toHaveLength(16);
    const list = el.querySelector<HTMLSelectElement>("select")!;
    list.selectedIndex = 0;
    list.dispatchEvent(new Event("change"));
    await settle();
    expect([model.get("layer"), model.get("head"), model.get("token")]).toEqual([1, 1, 31]);
    expect(chosen(el)).toBe("1.1");
  });

  it("says why a way to weigh is not there", () => {
    const examples = (defaults(data).examples as Record<string, unknown>[]).map((example) => ({
      ...example,
      norms: new DataView(new ArrayBuffer(0)),
    }));
    const { el } = mount({ examples, weighting: "value" });
    const inputs = el.querySelectorAll<HTMLInputElement>(".fw-focus input[type=radio]");
    expect([...inputs].map((input) => input.disabled)).toEqual([false, true, false]);
    expect(inputs[0].checked).toBe(true);
    expect(inputs[1].closest("label")!.title).toContain("not known");
  });

  it("has tables with every head and every token", async () => {
    const { el } = mount({ view: "table" });
    const [heads, tokens] = el.querySelectorAll(".fw-tables table");
    expect(heads.querySelectorAll("tbody tr")).toHaveLength(4);
    expect(heads.querySelectorAll("thead th")).toHaveLength(3 + 11 + 4);
    expect(tokens.querySelectorAll("tbody tr")).toHaveLength(40);
  });

  it("names what does not fit", () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const examples = (defaults(data).examples as Record<string, unknown>[]).map((example) => ({
      ...example,
      metrics: new DataView(new ArrayBuffer(8)),
    }));
    expect(mount({ examples }).el.querySelector("[role=alert]")?.textContent).toContain(
      "induction-test: metrics has 8 bytes, and needs 176",
    );
    expect(mount({ examples: [] }).el.querySelector("[role=alert]")?.textContent).toContain(
      "examples is empty",
    );
  });

  it("treats tokens as text, however strange", () => {
    const strange = [
      "<script>alert(1)</script>",
      "<img src=x onerror=alert(1)>",
      "שלום",
      "🙂",
      "x".repeat(2000),
      "\u202eabc",
    ];
    const examples = (defaults(data).examples as { tokens: string[] }[]).map((example) => ({
      ...example,
      tokens: example.tokens.map((token, i) => strange[i] ?? token),
    }));
    const { el } = mount({ examples, token: 4 });
    expect(el.querySelector("script, img")).toBeNull();
    const chips = [...el.querySelectorAll(".fw-chip .fw-token")].map((chip) => chip.textContent);
    expect(chips.slice(2, 4)).toEqual(["שלום", "🙂"]);
    expect(chips[4]).toHaveLength(24);
    expect(el.textContent).toContain("<script>alert(1)");
  });

  it("reads a typed sentence with the model in the page, and takes a head away from it", async () => {
    inPage();
    const { el, model } = mount({ layer: 1, head: 1 });
    const copy = "k3Xq)T7w&ZpL2vB9mJ%r";
    await type(el, copy, 20); // the example is as long as twice that
    await type(el, copy + copy, 40);
    expect(el.querySelectorAll(".fw-chip")).toHaveLength(40);
    expect(value(el, "induction")).toBeGreaterThan(0.5);
    expect(chosen(el)).toBe("1.1");
    const off = el.querySelector<HTMLInputElement>(".fw-worth input[type=checkbox]")!;
    off.click();
    await settle();
    expect(value(el, "off")).toBeGreaterThan(0.3);
    [...el.querySelectorAll("button")]
      .find((button) => button.textContent === "Back to the example")!
      .click();
    await settle();
    expect(el.querySelectorAll("select")[0].selectedOptions[0].textContent).toContain("Induction test");
    expect(model.get("off")).toBe(false);
  });
});

describe("a Chinese sentence", () => {
  const marks = (el: HTMLElement, place: string): string[] =>
    [...el.querySelectorAll(`${place} .fw-token`)].map((mark) => mark.textContent ?? "");

  it("is shown in characters, where the model reads bytes", async () => {
    inPage();
    const { el, model } = mount();
    await type(el, "书，a馆", 10);
    const chips = ["书₁", "书₂", "书₃", "，₁", "，₂", "，₃", "a", "馆₁", "馆₂", "馆₃"];
    expect(marks(el, ".fw-tokens")).toEqual(chips);
    expect(el.textContent).not.toMatch(/[Ã-ÿ]|<0x/);
    const [reading] = model.get("examples") as { tokens: string[] }[];
    expect(reading.tokens.slice(0, 3)).toEqual(["<0xE4>", "<0xB9>", "<0xA6>"]);
    model.set("token", 0);
    await settle();
    expect(el.querySelector(".fw-next")?.textContent).toContain("After “书₁”");
  });
});

describe("pictures", () => {
  it("put the heads of the scatter where its axes are, whatever room these have", () => {
    const model = new HostModel({ ...defaults(data), x_metric: "entropy", y_metric: "distance" });
    const state = readState(model, readData(model, STRINGS.en));
    const room = { ...ROOM };
    for (const other of [room, { ...room, left: 96, right: 40, top: 30, bottom: 60 }]) {
      Object.assign(ROOM, other);
      const { drawing, px } = drawScatter(state, STRINGS.en, 500, 300);
      Object.assign(ROOM, room);
      const shapes = drawing.children.filter((shape) => typeof shape !== "string");
      expect(shapes.find(({ tag }) => tag === "path")?.attributes.d).toBe(
        `M${other.left} ${other.top}V${300 - other.bottom}H${500 - other.right}`,
      );
      const [low, high] = extent(state.reading.heads, "entropy");
      for (const { layer, head, metrics } of state.reading.heads) {
        const dot = shapes.find(({ attributes }) => attributes["data-head"] === `${layer}.${head}`);
        const value = metrics[METRICS.indexOf("entropy")];
        const share = (value - low) / (high - low);
        expect(dot?.attributes.cx).toBeCloseTo(other.left + share * (500 - other.left - other.right), 3);
        expect(px.invert(Number(dot?.attributes.cx))).toBeCloseTo(value, 4);
      }
    }
  });

  it("keep the largest weight of each block", () => {
    const model = new HostModel(defaults(data));
    const [reading] = readData(model, STRINGS.en) as [Reading];
    const whole = reading.weights.matrix(1, 1);
    expect(thumbnail(reading, 1, 1, 40).values).toEqual(whole);
    const small = thumbnail(reading, 1, 1, 20);
    expect([small.rows, small.columns]).toEqual([20, 20]);
    small.values.forEach((value, at) => {
      const [t, s] = [2 * Math.floor(at / 20), 2 * (at % 20)];
      expect(value).toBe(Math.max(...[0, 1, 40, 41].map((step) => whole[t * 40 + s + step])));
    });
  });

  it("have axes with room for every score", () => {
    const [reading] = readData(new HostModel(defaults(data)), STRINGS.en);
    for (const kind of KINDS) {
      const [low, high] = extent(reading.heads, kind);
      expect(low).toBeLessThanOrEqual(0);
      expect(high).toBeGreaterThanOrEqual(1);
    }
  });

  it("shows blanks, line ends and long tokens", () => {
    expect([shown("\u0120the"), shown("\u0120"), shown("\u010a"), shown(""), shown("y".repeat(30))]).toEqual([
      "the",
      "␣",
      "↵",
      "∅",
      `${"y".repeat(23)}…`,
    ]);
  });
});

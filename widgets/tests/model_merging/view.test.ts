// The component's view on its published data, without a browser.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import data from "../../frontier_widgets/data/model_merging.json";
import { HostModel } from "../../src/host/models";
import widget, { defaults } from "../../src/model_merging/index";
import { sum } from "../../src/model_merging/landscape";
import { diagonal } from "../../src/model_merging/panels/line";
import { resultsOf } from "../../src/model_merging/results";
import { outcome, RULES } from "../../src/model_merging/rules";
import {
  baseScores,
  bestExpert,
  CHOICES,
  expertScores,
  INITIAL,
  readData,
  readState,
} from "../../src/model_merging/state";
import { STRINGS } from "../../src/model_merging/strings";
import { settle, standIns } from "../jsdom";

const mounted: (() => void)[] = [];

beforeAll(() => {
  standIns();
});
beforeEach(() => {
  document.documentElement.setAttribute("lang", "en");
  window.frontierStatic = "file:///nowhere/";
});
afterEach(() => mounted.splice(0).forEach((end) => end()));

function mount(props: Record<string, unknown> = {}): { el: HTMLElement; model: HostModel } {
  const model = new HostModel({ ...defaults(data), ...props });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  mounted.push(widget.render({ model, el }));
  return { el, model };
}

const state = (model: HostModel) => readState(model, readData(model, STRINGS.en));
const text = (el: Element, selector: string): string => el.querySelector(selector)?.textContent ?? "";
const open = async (el: HTMLElement, name: string): Promise<HTMLDetailsElement> => {
  const details = el.querySelector<HTMLDetailsElement>(`[data-fold=${name}]`)!;
  details.open = true;
  details.dispatchEvent(new Event("toggle"));
  await settle();
  return details;
};
const numbers = (words: string): number[] => (words.match(/\d+/g) ?? []).map(Number);

describe("ModelMerging", () => {
  it("opens on its finding, measured, and loads nothing", () => {
    const { el, model } = mount();
    const now = state(model);
    const all = sum(now.scores!.right);
    expect(now.scores!.kind).toBe("exact");
    expect(numbers(text(el, ".fw-headline"))).toEqual([all, 96, bestExpert(now).right]);
    expect(numbers(text(el, ".fw-subline"))).toEqual([sum(baseScores(now).right)]);
    expect(document.querySelector("script[src*=frontier-checkpoint]")).toBeNull();
    expect([...el.querySelectorAll(".fw-answers code")].every((code) => code.textContent !== "…")).toBe(true);
    expect(el.textContent).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("has findings that the story tells: base, expert, sum, average, over-trained, embedding", () => {
    const { model } = mount();
    const right = (values: Record<string, unknown>): number => {
      model.set({ ...INITIAL, ...values });
      return sum(state(model).scores!.right);
    };
    const best = bestExpert(state(model)).right;
    const added = right({});
    const each = state(model).scores!.right;
    baseScores(state(model)).right.forEach((base, task) => expect(each[task]).toBeGreaterThan(base + 8));
    expect(right({ weights: [0, 0, 0] })).toBeLessThan(0.25 * 96);
    expect(added).toBeGreaterThan(best + 15);
    const average = right({ rule: "average" });
    expect(average).toBeGreaterThan(best);
    expect(average).toBeLessThan(added);
    const long = { weights: [1, 1, 1], steps: 320 };
    expect(right(long)).toBeLessThan(added - 15);
    for (const task of [0, 1, 2]) {
      const alone = expertScores(state(model), task).right[task];
      const before = expertScores({ ...state(model), length: 0 }, task).right[task];
      expect(alone).toBeGreaterThanOrEqual(before);
    }
    expect(right({ ...long, embedding: false })).toBeGreaterThan(right(long) + 15);
  });

  it.each(RULES)("says of %s, in every state, no more than holds there", async (rule) => {
    const { el, model } = mount({ rule });
    const at = [-0.5, 0, 0.75, 1];
    for (const a of at)
      for (const b of at)
        for (const c of at)
          for (const embedding of [true, false]) {
            model.set({ weights: [a, b, c], embedding });
            let now = state(model);
            if (!now.scores) {
              resultsOf(model).scores.set(now.key, { right: [20, 0, 0], text: 3 }); // as if measured: few
              now = state(model);
            }
            model.set("story", -1 - Number(embedding)); // any change draws anew
            await settle();
            const words = text(el, ".fw-headline");
            const is = outcome(now.how);
            const opening = { base: /^Nothing added/, expert: /^The \w+ expert alone answers/ };
            if (is.kind === "base" || is.kind === "expert") expect(words).toMatch(opening[is.kind]);
            else if (is.kind === "one") {
              expect(words).toMatch(/^The \w+ expert alone \(/);
              expect(words).not.toMatch(/no better|at most|experts/);
              expect(words.includes("embedding left alone")).toBe(!embedding);
            } else expect(words).toMatch(is.count === 2 ? /^Two experts/ : /^Three experts/);
            if (words.includes("no better than one"))
              expect(Math.round(sum(now.scores!.right))).toBeLessThanOrEqual(bestExpert(now).right);
          }
  });

  it("an expert is no better than the base at the other two tasks, as the headline says", () => {
    const { model } = mount();
    for (const steps of [80, 320]) {
      model.set("steps", steps);
      const now = state(model);
      const base = baseScores(now).right;
      for (const task of [0, 1, 2])
        expertScores(now, task).right.forEach((right, at) => {
          if (at !== task) expect(right).toBeLessThanOrEqual(base[at]);
        });
    }
  });

  it("marks estimates as such, and says at a node that it was measured", async () => {
    const { el, model } = mount();
    model.set("weights", [0.8, 0.75, 0.75]);
    await settle();
    expect(state(model).scores!.kind).toBe("estimate");
    expect(text(el, ".fw-headline")).toContain("about");
    expect(text(el, ".fw-right-count")).toContain("about");
    expect(text(el, ".fw-subline")).toContain("“About” marks an estimate");
    model.set("weights", [1, 0.75, 0.75]);
    await settle();
    expect(text(el, ".fw-headline")).not.toContain("about");
  });

  it("an average is the sum at its shares", () => {
    const { model } = mount({ rule: "average", weights: [1, 1, 0] });
    const shares = mount({ weights: [0.5, 0.5, 0] }).model;
    expect(state(model).scores!.right).toEqual(state(shares).scores!.right);
  });

  it("moves by arrow keys, in steps, and stays in its range", async () => {
    const { el, model } = mount({ weights: [1.45, 0, 0.5] });
    const handle = el.querySelector<HTMLElement>(".fw-handle")!;
    const press = async (key: string, shiftKey = false): Promise<void> => {
      handle.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true }));
      await settle();
    };
    await press("ArrowRight");
    await press("ArrowRight");
    expect(model.get("weights")).toEqual([1.5, 0, 0.5]);
    await press("ArrowDown", true);
    expect(model.get("weights")).toEqual([1.5, -0.25, 0.5]);
    expect(handle.getAttribute("aria-label")).toBe("Sums 1.50, Letters −0.25. Arrow keys move it.");
    model.set("plane", 2);
    await settle();
    await press("ArrowLeft");
    expect(model.get("weights")).toEqual([1.5, -0.3, 0.5]);
  });

  it("names base and experts on the plane only where the third vector is not in", async () => {
    const { el, model } = mount();
    const named = (): string => text(el, ".fw-board svg");
    expect(named()).not.toContain("Base");
    model.set("weights", [0.5, 0.5, 0]);
    await settle();
    expect(named()).toContain("Base");
    expect(named()).toContain("highest");
  });

  it.each(RULES)("says what %s comes to, or that it is not known yet", async (rule) => {
    const { el, model } = mount();
    model.set("rule", rule);
    await settle();
    const known = rule === "sum" || rule === "average";
    expect(state(model).scores === null).toBe(!known);
    const details = await open(el, "rules");
    expect(text(details, ".fw-rule-words")).toBe(STRINGS.en.ruleWords[rule]);
    const shown = [...details.querySelectorAll<HTMLElement>(".fw-rule-settings > *")].map(
      ({ hidden }) => !hidden,
    );
    expect(shown).toEqual([rule === "ties" || rule === "dare", rule === "dare"]);
    if (!known) expect(text(el, ".fw-headline")).toBe(STRINGS.en.finding.unknown);
    expect(el.textContent).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("draws the diagonal whose findings stand in its headline", async () => {
    const { el, model } = mount();
    const details = await open(el, "line");
    const of = readData(model, STRINGS.en);
    const whole = of.landscape.axis.indexOf(1);
    const [, , , short, , long, kept] = [0, 0, 0, ...numbers(text(details, ".fw-fold-finding")).slice(2)];
    expect(diagonal(of, 0, true)[whole]).toBe(numbers(text(details, ".fw-fold-finding"))[2]);
    expect([short, long, kept]).toBeDefined();
    expect(details.querySelectorAll("path[stroke='var(--fw-e5)']").length).toBeGreaterThan(1);
  });

  it("gives the right answer's verdict on prompts that it knows, and none on others", async () => {
    const { el, model } = mount();
    const verdicts = (): string[] =>
      [...el.querySelectorAll(".fw-verdict")].map((one) => one.textContent ?? "");
    expect(verdicts().filter((one) => one.includes("right")).length).toBeGreaterThan(0);
    model.set("prompt", "b a =");
    await settle();
    expect(verdicts().join("")).toBe("");
    expect(text(el, ".fw-key")).toBe(STRINGS.en.noKey);
  });

  it("has a table with the plane's nodes, and a file with all of them", async () => {
    const { el, model } = mount();
    model.set("view", "table");
    await settle();
    const tables = [...el.querySelectorAll(".fw-tables table")];
    expect(tables.map((table) => table.querySelectorAll("tbody tr").length)).toEqual([5, 8]);
    expect(tables[1].querySelectorAll("td").length).toBe(64);
  });

  it.each(["zh", "en"] as const)("tells its story in %s, each step pointing somewhere", async (language) => {
    const { el, model } = mount({ language });
    for (const [step, words] of STRINGS[language].stories.entries()) {
      model.set("story", step);
      await settle();
      expect(text(el, ".fw-story-words")).toContain(words);
      expect(el.querySelectorAll("[data-fw-pointed]").length).toBe(1);
    }
    model.set("story", -1);
    await settle();
    expect(el.querySelectorAll("[data-fw-pointed]").length).toBe(0);
  });

  it("takes any choice for what it is, and refuses data of another shape", () => {
    const odd = Object.fromEntries(CHOICES.map((name) => [name, "nonsense"]));
    const { el } = mount({ ...odd, view: "figure" });
    expect(text(el, ".fw-headline").length).toBeGreaterThan(5);
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect(text(mount({ grid: "AAAA" }).el, ".fw-error")).toContain("grid: got 3 bytes, wanted 16384");
    expect(text(mount({ tasks: ["one"] }).el, ".fw-error")).toContain("tasks: got 1, wanted 3");
    expect(() => defaults({ format: 2 })).toThrow("format 2");
  });
});

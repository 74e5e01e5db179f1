// The component's view on its published data, without a browser.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import data from "../../frontier_widgets/data/threshold_explorer.json";
import { HostModel } from "../../src/host/models";
import { labelLevel, percent, placeOf, shownLevel } from "../../src/threshold_explorer/figure";
import { NEVER } from "../../src/threshold_explorer/decisions";
import widget, { defaults } from "../../src/threshold_explorer/index";
import { costs } from "../../src/threshold_explorer/panels/costs";
import { groups, kinds } from "../../src/threshold_explorer/panels/subgroups";
import { of as thousand } from "../../src/threshold_explorer/panels/thousand";
import {
  byLabel,
  CHOICES,
  CHOSEN,
  FILTERS,
  probability,
  ranked,
  ratesOf,
  readData,
  readState,
  type State,
} from "../../src/threshold_explorer/state";
import { STRINGS } from "../../src/threshold_explorer/strings";
import { settle, standIns } from "../jsdom";

const mounted: (() => void)[] = [];

beforeAll(() => {
  standIns();
});
beforeEach(() => document.documentElement.setAttribute("lang", "en"));
afterEach(() => mounted.splice(0).forEach((end) => end()));

function mount(props: Record<string, unknown> = {}): { el: HTMLElement; model: HostModel } {
  const model = new HostModel({ ...defaults(data), ...props });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  mounted.push(widget.render({ model, el }));
  return { el, model };
}

const state = (model: HostModel): State => readState(model, readData(model, STRINGS.en));
const text = (el: Element, selector: string): string => el.querySelector(selector)?.textContent ?? "";
const open = async (el: HTMLElement, name: string): Promise<HTMLDetailsElement> => {
  const details = el.querySelector<HTMLDetailsElement>(`[data-fold=${name}]`)!;
  details.open = true;
  details.dispatchEvent(new Event("toggle"));
  await settle();
  return details;
};
const finding = (el: Element, name: string): string => text(el, `[data-fold=${name}] .fw-fold-finding`);
const numbers = (words: string): number[] => (words.match(/\d+/g) ?? []).map(Number);
/** Marks of sentences in a path. */
const marks = (path: Element): number => (path.getAttribute("d")?.match(/z/g) ?? []).length;
const input = async (range: HTMLInputElement, value: number): Promise<void> => {
  range.value = String(value);
  range.dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
};

describe("ThresholdExplorer", () => {
  it("opens on its finding: perfect on seen templates, nearly everything blocked beyond", () => {
    const { el, model } = mount();
    const now = state(model);
    const { harmful, missed, harmless, blocked } = ratesOf(now, "own");
    expect([missed, blocked]).toEqual([0, 78]);
    const seen = ratesOf(now, "seen");
    expect(seen.missed + seen.blocked).toBe(0);
    expect(text(el, ".fw-headline")).toContain("all 200 right on seen templates");
    expect(numbers(text(el, ".fw-headline"))).toEqual([200, blocked, harmless, missed, harmful]);
    expect(text(el, ".fw-subline")).toContain("Wilson 95%");
    expect(el.textContent).not.toMatch(/NaN|undefined|Infinity|null/);
  });

  it("has a mark for each sentence, errors in the colour of errors", async () => {
    const { el, model } = mount({ filter: "heads" });
    const paths = [...el.querySelectorAll(".fw-strips path[fill-opacity]")];
    const count = (color: string): number =>
      paths.filter((path) => path.getAttribute("fill") === color).reduce((all, path) => all + marks(path), 0);
    const now = state(model);
    const wrong = (["seen", "own"] as const).reduce((all, part) => {
      const { missed, blocked } = ratesOf(now, part);
      return all + missed + blocked;
    }, 0);
    expect(count("var(--fw-e5)")).toBe(wrong);
    expect(count("var(--fw-e0)")).toBe(200 + 160 - wrong);
  });

  it.each(FILTERS)("says of %s, in every state, what is counted there", async (filter) => {
    const { el, model } = mount({ filter });
    for (const part of CHOSEN)
      for (const threshold of [0.0001, 0.17, 0.5, 0.99, 0.9999])
        for (const calibrated of [false, true]) {
          model.set({ part, threshold, calibrated });
          await settle();
          const now = state(model);
          const seen = ratesOf(now, "seen");
          const { harmful, missed, harmless, blocked } = ratesOf(now, part);
          const errors = seen.missed + seen.blocked;
          const words = text(el, ".fw-headline");
          expect(numbers(words)).toEqual([
            ...(errors ? [errors, 200] : [200]),
            ...[blocked, harmless],
            ...(harmful ? [missed, harmful] : []),
          ]);
          expect(words.includes("all 200 right")).toBe(errors === 0);
          expect(text(el, ".fw-subline").includes("[")).toBe(part === "own");
          expect(text(el, ".fw-subline").includes("calibrated")).toBe(calibrated);
          expect(el.textContent).not.toMatch(/NaN|undefined|Infinity/);
        }
  });

  it("moves by slider and along the curve, each step to another choice", async () => {
    const { el, model } = mount({ filter: "heads" });
    const slider = el.querySelector<HTMLInputElement>(".fw-axis input")!;
    await input(slider, -1);
    expect(model.get("threshold")).toBeCloseTo(probability(-1), 12);
    expect(slider.getAttribute("aria-valuetext")).toBe("0.27");
    const handle = el.querySelector<HTMLElement>(".fw-handle")!;
    const { points } = ranked(state(model), "own");
    const press = async (key: string, shiftKey = false): Promise<number> => {
      handle.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true }));
      await settle();
      return placeOf(points, state(model).level);
    };
    const start = placeOf(points, state(model).level);
    expect(await press("ArrowRight")).toBe(start + 1);
    expect(await press("ArrowUp", true)).toBe(start + 6);
    expect(await press("ArrowLeft")).toBe(start + 5);
    expect(await press("ArrowDown")).toBe(start + 4);
    const { missed, blocked } = ratesOf(state(model), "own");
    expect([missed, blocked]).toEqual([points[start + 4].missed, points[start + 4].blocked]);
    for (let i = 0; i < 40; i++) await press("ArrowDown", true);
    expect(ratesOf(state(model), "own")).toMatchObject({ missed: 80, blocked: 0 });
    expect(handle.getAttribute("aria-label")).toContain("0% of harmless blocked, 0% of harmful caught");
    model.set("curve", "pr");
    await settle();
    expect(handle.getAttribute("aria-label")).toContain("precision –");
  });

  it("shows no curve and no costs where nothing is harmful, and says so", async () => {
    const { el } = mount({ part: "corpus" });
    for (const name of ["thousand", "costs"]) {
      const details = await open(el, name);
      expect(finding(el, name)).toBe(STRINGS.en.noHarmful);
      expect([...details.querySelectorAll<HTMLElement>(".fw-drawing")].every(({ hidden }) => hidden)).toBe(
        true,
      );
    }
    expect(el.querySelector<HTMLElement>(".fw-handle")!.hidden).toBe(true);
    expect(text(el, ".fw-curve-note")).toBe(STRINGS.en.noCurve);
  });

  it("draws a thousand sentences, and what is blocked among them", async () => {
    const { el, model } = mount({ filter: "heads" });
    const details = await open(el, "thousand");
    const shown = (): number =>
      [...details.querySelectorAll(".fw-drawing path")].reduce((all, path) => all + marks(path), 0);
    for (const prevalence of [0.001, 0.01, 0.5]) {
      model.set("prevalence", prevalence);
      await settle();
      const found = thousand(state(model))!;
      expect(shown()).toBe(1000);
      const all = found.caught + found.blocked;
      expect(numbers(finding(el, "thousand"))).toEqual([found.caught + found.missed, all, found.caught]);
    }
    const slider = details.querySelector<HTMLInputElement>("input")!;
    await input(slider, 0);
    expect(model.get("prevalence")).toBe(0.001);
  });

  it("calls a threshold no use only where it costs no less than blocking nothing or everything", async () => {
    const { el, model } = mount({ filter: "heads" });
    const details = await open(el, "costs");
    for (const prevalence of [0.01, 0.05, 0.5])
      for (const ratio of [1, 5, 50]) {
        model.set({ prevalence, ratio });
        await settle();
        const found = costs(state(model))!;
        const trivial = Math.min(found.none, found.all);
        expect(text(details, ".fw-verdict").includes("no less than")).toBe(found.crossed >= trivial - 1e-9);
        expect(found.least).toBeLessThanOrEqual(Math.min(trivial, found.now, found.formula) + 1e-9);
      }
    model.set({ prevalence: 0.01, ratio: 5 });
    await settle();
    expect(text(details, ".fw-verdict")).toContain("56 a thousand: no less than the 50 of blocking nothing");
    model.set("part", "unseen");
    await settle();
    expect(text(details, ".fw-verdict")).toContain("share templates");
  });

  it("gives a label a threshold of its own, which follows the common one, or none", async () => {
    const { el, model } = mount({ filter: "heads" });
    const details = await open(el, "labels");
    const sliders = [...details.querySelectorAll<HTMLInputElement>("input[type=range]")];
    const before = ratesOf(state(model), "own");
    await input(sliders[3], -2);
    expect(model.get("shifts")).toEqual([0, 0, 0, -2, 0]);
    expect(ratesOf(state(model), "own").missed).toBeLessThan(before.missed);
    expect(finding(el, "labels")).toContain("they differ");
    model.set("threshold", probability(1));
    await settle();
    expect(labelLevel(state(model), 3)).toBeCloseTo(-1, 9);
    await input(sliders[0], 8);
    expect(model.get("shifts")).toEqual([NEVER, 0, 0, -2, 0]);
    expect(details.querySelector("output")!.textContent).toBe("never");
    expect(byLabel(state(model), 0)).toMatchObject({ missed: 80, blocked: 0 });
    details.querySelector<HTMLButtonElement>("button")!.click();
    await settle();
    expect(model.get("shifts")).toEqual([0, 0, 0, 0, 0]);
  });

  it("has kinds and groups with the counts that their headlines say", async () => {
    const { el, model } = mount({ filter: "heads" });
    await open(el, "groups");
    await open(el, "kinds");
    const now = state(model);
    const all = groups(now, STRINGS.en);
    expect(all.length).toBe(12);
    expect(all.every(({ found }) => found.harmless === 16 && found.harmful === 8)).toBe(true);
    const blocked = (yes: boolean): number[] =>
      all.filter(({ attacked }) => attacked === yes).map(({ found }) => found.blocked);
    expect([Math.min(...blocked(true)), Math.max(...blocked(true))]).toEqual([2, 6]);
    expect(Math.max(...blocked(false))).toBe(0);
    expect(finding(el, "groups")).toContain("2–6 are blocked for each of 8 groups");
    const [plain, hard] = kinds(now, STRINGS.en).map(({ found }) => found);
    expect(numbers(finding(el, "kinds"))).toEqual([hard.blocked, 40, plain.blocked, 40]);
    const own = kinds(now, STRINGS.en).reduce((sum, { found }) => sum + found.missed + found.blocked, 0);
    const { missed, blocked: over } = ratesOf(now, "own");
    expect(own).toBe(missed + over);
  });

  it("has tables of both filters, labels, kinds and groups, and the curve", async () => {
    const { el, model } = mount();
    model.set("view", "table");
    await settle();
    const rows = [...el.querySelectorAll(".fw-tables table")].map(
      (table) => table.querySelectorAll("tbody tr").length,
    );
    expect(rows).toEqual([8, 5, 18, ranked(state(model), "own").points.length]);
    model.set("part", "corpus");
    await settle();
    expect(el.querySelectorAll(".fw-tables table").length).toBe(3);
    expect(el.textContent).not.toMatch(/NaN|undefined|Infinity/);
  });

  it.each(["zh", "en"] as const)("tells its story in %s, each step pointing somewhere", async (language) => {
    const { el, model } = mount({ language });
    const said = new Set<string>();
    for (const step of STRINGS[language].stories.keys()) {
      model.set("story", step);
      await settle();
      said.add(text(el, ".fw-story-words"));
      expect(el.querySelectorAll("[data-fw-pointed]").length).toBe(1);
      expect(el.textContent).not.toMatch(/NaN|undefined|Infinity|null/);
    }
    expect(said.size).toBe(7);
    model.set("story", -1);
    await settle();
    expect(el.querySelectorAll("[data-fw-pointed]").length).toBe(0);
  });

  it("names every label, kind and group of its data in both languages", () => {
    const { model } = mount();
    const { labels, groupNames } = readData(model, STRINGS.en);
    for (const label of labels)
      for (const strings of Object.values(STRINGS)) expect(strings.labels[label]).toBeTruthy();
    for (const group of groupNames) expect(STRINGS.zh.groups[group]).toBeTruthy();
  });

  it("writes shares and levels as they are read", () => {
    expect([0, 1e-17, 0.004, 0.5, 0.975, 0.996, 1].map(percent)).toEqual([
      "0%",
      "0%",
      "0.4%",
      "50%",
      "98%",
      "99.6%",
      "100%",
    ]);
    expect([-8, -6, 0, 1.5, 6, 8].map(shownLevel)).toEqual(["0", "0.0025", "0.50", "0.818", "0.9975", "1"]);
  });

  it("takes any choice for what it is, and refuses data of another shape", () => {
    const odd = Object.fromEntries(CHOICES.map((name) => [name, "nonsense"]));
    const { el } = mount({ ...odd, view: "figure" });
    expect(text(el, ".fw-headline")).toContain("all 200 right");
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const error = (props: Record<string, unknown>): string => text(mount(props).el, ".fw-error");
    expect(error({ truth: "AAAA" })).toContain("truth: got 3 bytes, wanted 948");
    expect(error({ filters: { bert: data.filters.bert } })).toContain("filters: got none named heads");
    const short = { ...data.filters, heads: { ...data.filters.heads, scores: "AAAA" } };
    expect(error({ filters: short })).toContain("heads: got 3 bytes, wanted 4740");
    expect(error({ kind_labels: { seen: {} } })).toContain("kind_labels: got none for unseen");
    expect(() => defaults({ format: 2 })).toThrow("format 2");
  });
});

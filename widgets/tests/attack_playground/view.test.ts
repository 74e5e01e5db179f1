// The component's view on its published data, without a browser.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import data from "../../frontier_widgets/data/attack_playground.json";
import { lead, textOf } from "../../src/attack_playground/attack";
import { ahead, at, SMALL } from "../../src/attack_playground/curves";
import widget, { defaults } from "../../src/attack_playground/index";
import { boundOf, fewest } from "../../src/attack_playground/linear";
import { resultsOf } from "../../src/attack_playground/results";
import { CHOICES, INITIAL, readData, readState, seen } from "../../src/attack_playground/state";
import { STRINGS } from "../../src/attack_playground/strings/index";
import { HostModel } from "../../src/host/models";
import { settle, standIns } from "../jsdom";
import { bert, inPage, tables } from "./files";

const mounted: (() => void)[] = [];

beforeAll(() => {
  standIns();
});
beforeEach(() => {
  document.documentElement.setAttribute("lang", "en");
  window.frontierStatic = "file:///nowhere/";
});
afterEach(() => {
  mounted.splice(0).forEach((end) => end());
  delete window.frontierCheckpoints;
  delete window.frontierStatic;
});

function mount(props: Record<string, unknown> = {}): { el: HTMLElement; model: HostModel } {
  const model = new HostModel({ ...defaults(data), ...props });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  mounted.push(widget.render({ model, el }));
  return { el, model };
}

const state = (model: HostModel) => readState(model, readData(model, STRINGS.en));
const text = (el: Element, selector: string): string => el.querySelector(selector)?.textContent ?? "";
const numbers = (words: string): number[] => (words.match(/\d+/g) ?? []).map(Number);
const raced = (model: HostModel): Promise<void> =>
  vi.waitFor(() => expect(state(model).race).not.toBeNull(), { timeout: 20_000 });
const open = async (el: HTMLElement, name: string): Promise<HTMLDetailsElement> => {
  const details = el.querySelector<HTMLDetailsElement>(`[data-fold=${name}]`)!;
  details.open = true;
  details.dispatchEvent(new Event("toggle"));
  await settle();
  return details;
};

describe("AttackPlayground", () => {
  it("opens on its finding, with all that is shown, and loads nothing", () => {
    const { el, model } = mount();
    const { race } = state(model);
    const [greedy, random] = [race!.greedy.found, race!.random.found];
    expect([greedy.succeeded, random.succeeded]).toEqual([true, true]);
    expect(random.queries).toBeLessThan(greedy.queries);
    expect(numbers(text(el, ".fw-headline"))).toEqual([random.swaps.size, random.queries, greedy.queries]);
    expect(text(el, ".fw-subline")).toContain("One sentence proves nothing");
    expect(document.querySelector("script[src*=frontier-checkpoint]")).toBeNull();
    expect(el.querySelectorAll(".fw-stale")).toHaveLength(0);
    expect(el.textContent).not.toMatch(/NaN|undefined|Infinity/);
  });

  it.each(data.examples.map(({ text: verse }, i) => [verse, i] as const))(
    "shows of “%s” what the classifier and the linear model in the page say",
    (_, example) => {
      const { model } = mount({ example });
      const now = state(model);
      const victim = bert();
      const known = data.examples[example];
      expect(now.of!.options.size).toBe(Object.keys(known.options).length);
      for (const order of ["deletion", "random"]) {
        model.set("order", order);
        const { race, words } = state(model);
        expect(race!.label).toBe(known.label);
        expect(words).toHaveLength(now.of!.words.length);
        for (const trace of [race!.greedy, race!.random])
          for (const step of trace.steps) {
            const answer = victim.probabilities(textOf(now.of!, step.asked));
            expect(Math.abs(lead(answer, race!.label) - step.lead)).toBeLessThan(1e-4);
          }
      }
      const bound = boundOf(now.of!, tables().linear);
      expect(bound.label).toBe(known.label);
      bound.worst.forEach(({ margin, swaps }, k) => {
        expect(now.bound!.worst[k].margin).toBeCloseTo(margin, 5);
        expect([...now.bound!.worst[k].swaps].sort()).toEqual([...swaps].sort());
        expect(now.bound!.greedy[k]).toBeCloseTo(bound.greedy[k], 5);
      });
    },
  );

  it("has verses of all kinds, so that no attack always wins", () => {
    const { model } = mount();
    const outcomes = data.examples.map((_, example) => {
      model.set("example", example);
      const { greedy, random } = state(model).race!;
      if (!greedy.found.succeeded && !random.found.succeeded) return "none";
      if (!greedy.found.succeeded) return "random alone";
      if (!random.found.succeeded) return "greedy alone";
      return Math.sign(greedy.found.queries - random.found.queries);
    });
    for (const wanted of ["none", "random alone", "greedy alone", -1, 0, 1])
      expect(outcomes).toContain(wanted);
    // As among all verses that both models read right, the random texts are first where both succeed.
    expect(outcomes.filter((one) => one === 1).length).toBeGreaterThan(outcomes.length / 3);
  });

  it.each(["zh", "en"] as const)(
    "says in %s, at every query of every verse, what holds there",
    async (language) => {
      const { el, model } = mount({ language });
      for (const example of data.examples.keys()) {
        model.set({ example, queries: 99 });
        const { last } = state(model);
        for (const queries of [0, 1, 5, 9, last]) {
          model.set("queries", queries);
          await settle();
          const now = state(model);
          const [greedy, random] = [now.race!.greedy, now.race!.random].map((one) =>
            seen(one, now.race!.start, queries),
          );
          const words = text(el, ".fw-headline");
          const won = [greedy.won, random.won].filter(Boolean);
          for (const query of won) expect(numbers(words)).toContain(query);
          if (!won.length) expect(words).not.toMatch(/synonym|近义词，“/);
          const outcomes = [...el.querySelectorAll<HTMLElement>("[data-outcome]")].map(
            (one) => one.dataset.outcome,
          );
          const outcome = ({ won: at, over }: typeof greedy): string => (at ? "won" : over ? "over" : "open");
          expect(outcomes).toEqual([outcome(greedy), outcome(random)]);
          expect(el.textContent).not.toMatch(/NaN|undefined|Infinity/);
        }
      }
    },
  );

  it("never says that greedy search finds more: at first random does, then they are a point apart", () => {
    const { model } = mount();
    const { curves } = readData(model, STRINGS.en);
    const last = curves.left.random.length - 1;
    for (const order of ["deletion", "random"] as const)
      for (let queries = 1; queries <= last; queries++)
        expect(["random", "small", "unclear"]).toContain(ahead(at(curves, queries, order).by));
    for (let queries = 1; queries <= 15; queries++)
      expect(ahead(at(curves, queries, "deletion").by)).toBe("random");
    for (let queries = 20; queries <= last; queries++)
      expect(Math.abs(at(curves, queries, "deletion").by[0])).toBeLessThan(SMALL);
    expect(curves.order[0]).toBeLessThan(SMALL);
    const [strict, loose] = [curves.judged.strict, curves.judged.loose].map(([same, of]) => same / of);
    expect(strict).toBeGreaterThan(loose);
  });

  it("swaps a word by hand, counts what was asked, and goes back", async () => {
    inPage();
    const { el, model } = mount();
    const own = state(model);
    const [place] = own.of!.options.keys();
    el.querySelectorAll<HTMLElement>(".fw-word")[place].click();
    await settle();
    const radios = [...el.querySelectorAll<HTMLInputElement>(".fw-options input")];
    expect(radios).toHaveLength(own.of!.options.get(place)!.length + 1);
    expect(radios[0].checked).toBe(true);
    radios[1].click();
    await vi.waitFor(() => expect(state(model).mine.answer).not.toBeNull(), { timeout: 20_000 });
    await settle();
    const now = state(model);
    expect(now.mine.text).toBe(
      textOf(own.of!, { swaps: new Map([[place, own.of!.options.get(place)![0]]]) }),
    );
    expect(now.mine.queries).toBe(1);
    expect(text(el, ".fw-reading .fw-caption")).toBe("Your sentence, 1 query");
    expect(el.querySelectorAll("[data-swapped=true]")).toHaveLength(1);
    expect(now.race).toEqual(own.race);
    // Each swap alone came with the page; two at once the classifier reads here.
    const two = [...own.of!.options].slice(0, 2).map(([at, [option]]) => [at, option] as const);
    model.set("swaps", Object.fromEntries(two));
    await vi.waitFor(() => expect(state(model).mine.answer).not.toBeNull(), { timeout: 20_000 });
    const both = state(model).mine;
    expect(both.queries).toBe(2);
    expect(both.text).toBe(textOf(own.of!, { swaps: new Map(two) }));
    expect(Array.from(both.answer!)).toEqual(Array.from(bert().probabilities(both.text)));
    await settle();
    [...el.querySelectorAll("button")].find((one) => one.textContent === "Back to the verse")!.click();
    await settle();
    expect(state(model).mine.text).toBe(own.verse);
    model.set("swaps", { [place]: "nonsense", 99: "word" });
    await settle();
    expect(state(model).mine.swaps.size).toBe(0);
  });

  it("attacks a sentence of the reader's as the lab would", async () => {
    inPage();
    const { el, model } = mount();
    const input = el.querySelector<HTMLInputElement>(".fw-verse-input")!;
    input.value = "  My son, hear the   instruction of thy father. ";
    input.dispatchEvent(new Event("change"));
    await raced(model);
    await settle();
    const now = state(model);
    expect(now.example).toBe(-1);
    expect(now.verse).toBe("My son, hear the instruction of thy father.");
    expect([...el.querySelectorAll(".fw-word .fw-token")].map((one) => one.textContent).join(" ")).toBe(
      now.verse,
    );
    expect(now.race!.label).toBe(data.labels.indexOf("poetry"));
    expect(now.bound!.worst.length).toBe(now.of!.options.size + 1);
    // Typed as it is, an example is that example.
    input.value = data.examples[3].text;
    input.dispatchEvent(new Event("change"));
    await settle();
    expect(state(model).example).toBe(3);
  });

  it("knows a sentence without synonyms, and one of a single word", async () => {
    inPage();
    const { el, model } = mount({ sentence: "Zzz" });
    await raced(model);
    await settle();
    expect(text(el, ".fw-headline")).toMatch(/^Read as “\w+”; no word of this sentence has a synonym/);
    const { race, bound } = state(model);
    expect([race!.greedy.steps.length, race!.random.steps.length]).toEqual([0, 0]);
    expect(fewest(bound!)).toBe(0);
    expect(el.textContent).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("says of a sentence that is too long how much of it is read", async () => {
    inPage();
    const { el, model } = mount({ sentence: "woe unto them ".repeat(30) });
    await raced(model);
    await settle();
    expect(text(el, ".fw-root")).toContain("the classifier reads its first 64 tokens");
    model.set("sentence", "");
    await settle();
    expect(text(el, ".fw-root")).not.toContain("the classifier reads its first");
  });

  it("lets fewer words change, and says of all sentences under which threat they stand", async () => {
    inPage();
    const { el, model } = mount();
    const before = state(model).bound;
    expect(text(el, ".fw-subline")).not.toContain("three words in ten");
    model.set("changes", 1);
    await raced(model);
    await settle();
    const now = state(model);
    expect([now.race!.greedy, now.race!.random].map(({ found }) => found.swaps.size <= 1)).toEqual([
      true,
      true,
    ]);
    expect(now.bound).toEqual(before);
    expect(text(el, ".fw-subline")).toContain("three words in ten");
    expect(text(el, ".fw-cards")).toContain("all 10 ways tried, none deceives");
  });

  it("takes synonyms of any sense, and other draws", async () => {
    inPage();
    const { model } = mount();
    const options = (): number => [...state(model).of!.options.values()].flat().length;
    const common = options();
    const first = state(model).race!.random;
    model.set("seed", 1);
    await raced(model);
    expect(state(model).race!.random).not.toEqual(first);
    model.set("senses", "any");
    await raced(model);
    expect(options()).toBeGreaterThan(common);
  });

  it("forgets nothing that it needs when many texts were asked about", () => {
    const { model } = mount();
    const results = resultsOf(model);
    for (let i = 0; i < 20_100; i++) results.learn(`text ${i}`, [1, 0, 0, 0, 0, 0]);
    expect(state(model).race).not.toBeNull();
  });

  it("opens its folds: all sentences, words, rules, the linear model", async () => {
    const { el } = mount();
    for (const name of ["all", "words", "rules", "linear"]) {
      const details = await open(el, name);
      expect(text(details, ".fw-fold-finding").length).toBeGreaterThan(10);
      expect(details.children.length).toBeGreaterThan(1);
    }
    expect(el.querySelectorAll("[data-fold=all] svg")).toHaveLength(2);
    expect(text(el, "[data-fold=words]")).toContain("+.026");
    expect(el.textContent).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("has tables of queries, bound and words", async () => {
    const { el, model } = mount({ view: "table" });
    await settle();
    const { last, bound, of } = state(model);
    const rows = [...el.querySelectorAll(".fw-tables table")].map(
      (one) => one.querySelectorAll("tbody tr").length,
    );
    expect(rows).toEqual([last + 1, bound!.worst.length, of!.words.length]);
  });

  it.each(["zh", "en"] as const)("tells its story in %s, each step pointing somewhere", async (language) => {
    const { el, model } = mount({ language });
    for (const [step, words] of STRINGS[language].stories.entries()) {
      model.set("story", step);
      await settle();
      expect(text(el, ".fw-story-words")).toBe(words);
      expect(el.querySelectorAll("[data-fw-pointed]").length).toBe(1);
    }
    model.set("story", -1);
    await settle();
    expect(el.querySelectorAll("[data-fw-pointed]").length).toBe(0);
  });

  it("takes any choice for what it is, and refuses data of another shape", () => {
    const odd = Object.fromEntries(CHOICES.map((name) => [name, "nonsense"]));
    const { el } = mount({ ...odd, sentence: "", view: "figure" });
    expect(text(el, ".fw-headline").length).toBeGreaterThan(5);
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect(text(mount({ examples: [] }).el, ".fw-error")).toContain("examples: got none, wanted one or more");
    const wrong = [{ ...data.examples[0], label: 9 }];
    expect(text(mount({ examples: wrong }).el, ".fw-error")).toContain("got label 9, wanted less than 6");
    expect(text(mount({ curves: {} }).el, ".fw-error")).toContain("curves: got none for greedy");
    expect(() => defaults({ format: 2 })).toThrow("format 2");
    expect(Object.keys(INITIAL)).toEqual(CHOICES);
  });
});

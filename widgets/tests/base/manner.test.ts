// What a figure owes its reader: a headline, parts one click away, room that is kept, a story that points.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AnyModel } from "../../src/base/afm";
import { h } from "../../src/base/dom";
import { Figure } from "../../src/base/figure";
import { fold } from "../../src/base/fold";
import { headline, said } from "../../src/base/headline";
import { mount } from "../../src/base/mount";
import { heightAt } from "../../src/base/reserve";
import { inSlices, SLICE } from "../../src/base/slices";
import { story } from "../../src/base/story";
import { HostModel } from "../../src/host/models";
import { standIns } from "../jsdom";

interface State {
  table: boolean;
  story: number;
  count: number;
}

const TEXT = { title: "Counter", tableView: "Table" };
const REST = 300;

class Counter extends Figure<null, State, typeof TEXT> {
  readonly built: string[] = [];
  readonly far = h("p", {}, "far");

  constructor(model: AnyModel, signal: AbortSignal) {
    const readState = (from: AnyModel): State => ({
      table: false,
      story: Number(from.get("story")),
      count: Number(from.get("count")),
    });
    const definition = { className: "fw-counter", strings: { zh: TEXT, en: TEXT }, readState, rest: REST };
    super({ ...definition, readData: () => null }, model, "en", signal);
    const more = fold(this, {
      name: "more",
      title: "More",
      headline: ({ count }) => `twice is ${2 * count}`,
      build: (on) => {
        this.built.push("more");
        const inside = h("p", { class: "inside" });
        on(({ count }) => {
          this.built.push(`shown ${count}`);
          inside.textContent = String(count);
        });
        return [inside];
      },
    });
    more.append(this.far);
    const guide = story<State>(this, [
      { set: { count: 1 }, words: ({ count }) => `It is ${count}.`, at: () => this.root },
      { set: { count: 2 }, words: ({ count }) => `Now ${count}.`, at: () => this.far },
    ]);
    const head = headline<State>(this, ({ count }) => ({ finding: `There are ${count}`, note: "counted." }));
    this.assemble(this.root, head, guide.toggle, guide.panel, more);
  }

  protected override summary({ count }: State): string {
    return said({ finding: `There are ${count}`, note: "counted." });
  }
}

let life = new AbortController();
const scrolled: Element[] = [];
beforeEach(() => {
  life = new AbortController();
  scrolled.length = 0;
  vi.useFakeTimers();
  standIns(true);
  Element.prototype.scrollIntoView = function (this: Element): void {
    scrolled.push(this);
  };
});
afterEach(() => {
  life.abort();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function counter(count = 3): { figure: Counter; model: HostModel; go(values: object): void } {
  const model = new HostModel({ count, story: -1, view: "figure" });
  const figure = new Counter(model, life.signal);
  document.body.replaceChildren(figure.root);
  model.on("change", () => figure.update());
  return { figure, model, go: (values) => model.set({ ...values }) };
}

const text = (root: Element, selector: string): string => root.querySelector(selector)?.textContent ?? "";

describe("a headline", () => {
  it("follows the state at once, and is announced when the state rests", () => {
    const { figure, go } = counter();
    const live = (): string => text(figure.root, "[aria-live]");
    expect(text(figure.root, ".fw-headline")).toBe("There are 3");
    expect(live()).toBe("");
    go({ count: 4 });
    vi.advanceTimersByTime(REST - 1);
    go({ count: 5 });
    expect(text(figure.root, ".fw-headline")).toBe("There are 5");
    vi.advanceTimersByTime(REST - 1);
    expect(live()).toBe("");
    vi.advanceTimersByTime(1);
    expect(live()).toBe("There are 5 counted.");
    expect(figure.root.querySelectorAll("[aria-live]").length).toBe(1);
  });
});

describe("a fold", () => {
  it("says what it holds while closed, and builds it when opened", async () => {
    const { figure, go } = counter();
    const details = figure.root.querySelector("details")!;
    expect(text(details, ".fw-fold-finding")).toBe("twice is 6");
    expect(figure.built).toEqual([]);
    details.open = true;
    details.dispatchEvent(new Event("toggle"));
    expect(figure.built).toEqual(["more", "shown 3"]);
    expect(text(details, ".inside")).toBe("3");
    details.open = false;
    details.dispatchEvent(new Event("toggle"));
    go({ count: 7 });
    expect(text(details, ".fw-fold-finding")).toBe("twice is 14");
    expect(figure.built).toEqual(["more", "shown 3"]);
  });

  it("is open again when the figure is built anew", () => {
    const { figure, model } = counter();
    const details = figure.root.querySelector("details")!;
    details.open = true;
    details.dispatchEvent(new Event("toggle"));
    const again = new Counter(model, life.signal);
    expect(again.root.querySelector("details")!.open).toBe(true);
    expect(text(again.root, ".inside")).toBe("3");
  });
});

describe("a story", () => {
  it("sets the figure, tells its state and outlines what it speaks of, in a fold too", () => {
    const { figure, model } = counter();
    const panel = figure.root.querySelector<HTMLElement>(".fw-story-panel")!;
    const [previous, next] = panel.querySelectorAll("button");
    expect(panel.hidden).toBe(true);
    figure.root.querySelector<HTMLButtonElement>(":scope > button")!.click();
    expect([panel.hidden, text(panel, ".fw-story-words")]).toEqual([false, "It is 1."]);
    expect(figure.root.hasAttribute("data-fw-pointed")).toBe(true);
    expect(previous.disabled).toBe(true);
    next.click();
    expect(text(panel, ".fw-story-words")).toBe("Now 2.");
    expect(figure.root.hasAttribute("data-fw-pointed")).toBe(false);
    expect(figure.far.hasAttribute("data-fw-pointed")).toBe(true);
    expect(figure.far.closest("details")!.open).toBe(true);
    expect(scrolled.at(-1)).toBe(figure.far);
    next.click();
    expect([panel.hidden, model.get("story")]).toEqual([true, -1]);
    expect(document.querySelector("[data-fw-pointed]")).toBeNull();
  });
});

describe("room", () => {
  it("is that of the widest place that fits", () => {
    const heights = [
      [700, 500],
      [0, 900],
    ] as const;
    expect([1000, 700, 699, 0].map((width) => heightAt(heights, width))).toEqual([500, 500, 900, 900]);
  });

  it("is kept from the beginning, and filled when the place comes near or is printed", () => {
    const seen: ((entries: { isIntersecting: boolean }[]) => void)[] = [];
    vi.stubGlobal(
      "IntersectionObserver",
      class {
        constructor(see: (entries: { isIntersecting: boolean }[]) => void) {
          seen.push(see);
        }
        observe(): void {}
        disconnect(): void {}
      },
    );
    let built = 0;
    const build = (): { root: HTMLElement; update(): void } => {
      built++;
      return { root: h("div", { class: "fw-root" }, "stands"), update: () => undefined };
    };
    const place = (): HTMLElement => {
      const el = h("div");
      document.body.append(el);
      const model = new HostModel({ language: "en" });
      const heights = { zh: [[0, 300]], en: [[0, 400]] } as const;
      mount({ choices: [], data: [], build, heights }, { model, el, signal: life.signal });
      return el;
    };
    const [near, printed] = [place(), place()];
    expect([built, near.textContent, near.firstElementChild?.className]).toEqual([0, "", "fw-root"]);
    seen[0]([{ isIntersecting: false }]);
    expect(built).toBe(0);
    seen[0]([{ isIntersecting: true }]);
    seen[0]([{ isIntersecting: true }]);
    expect([built, near.textContent, printed.textContent]).toEqual([1, "stands", ""]);
    dispatchEvent(new Event("beforeprint"));
    expect([built, printed.textContent]).toEqual([2, "stands"]);
  });
});

describe("long work", () => {
  function* pieces(log: number[], each: number, clock: { now: number }): Generator<void, string> {
    for (let i = 0; i < 10; i++) {
      clock.now += each;
      log.push(clock.now);
      yield;
    }
    return "done";
  }

  it("runs in slices that the next piece would not overrun, to its end", async () => {
    const clock = { now: 0 };
    const log: number[] = [];
    const work = inSlices(pieces(log, 5, clock), life.signal, () => clock.now);
    expect(log).toEqual([5, 10]); // a third of five would pass twelve
    await vi.runAllTimersAsync();
    expect(log.length).toBe(10);
    expect(await work).toBe("done");
    expect(SLICE).toBe(12);
  });

  it("stops between slices when it is no longer wanted", async () => {
    const clock = { now: 0 };
    const log: number[] = [];
    const stop = new AbortController();
    const work = inSlices(pieces(log, 5, clock), stop.signal, () => clock.now);
    stop.abort();
    await vi.runAllTimersAsync();
    expect(await work).toBeNull();
    expect(log).toEqual([5, 10]);
  });
});

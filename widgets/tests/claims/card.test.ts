// The card of a claim without a browser's layout: what opens and closes it, where the focus goes, and what
// "measure it again here" says.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { againPart, type Measuring } from "../../src/claims/again";
import { Cards } from "../../src/claims/card";
import { along } from "../../src/claims/line";
import { GAP, place } from "../../src/claims/place";
import { STRINGS } from "../../src/claims/strings";

const NOTE = (name: string, fresh = ""): string => `
  <li id="evidence-${name}" class="claim-note">
    <p class="claim-of"><strong>recall of ${name}</strong></p>
    <div class="claim-line" data-claim="${name}" ${fresh && `data-fresh="${fresh}" data-digits="2"`}>
      <svg data-low="0" data-high="1"></svg>
    </div>
    <p class="claim-links"><a href="#cell-claim-${name}">cell</a>
      <a class="claim-back" href="#mark">back</a></p>
  </li>`;

const instant: Measuring = async (_name, _seed, read) => {
  const numbers = [0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1];
  for (const done of numbers.keys()) await read(done + 1, numbers.length);
  return numbers;
};

let cards: Cards;
let load: () => Promise<Measuring>;
const mark = (at: number): HTMLAnchorElement =>
  document.querySelectorAll<HTMLAnchorElement>(".claim-link")[at];
const card = (): HTMLElement | null => document.querySelector(".claim-card");
const press = (key: string, on: Element = document.activeElement!, shiftKey = false): KeyboardEvent => {
  const event = new KeyboardEvent("keydown", { key, shiftKey, bubbles: true, cancelable: true });
  on.dispatchEvent(event);
  return event;
};
/** jsdom knows no pointer events. */
const pointer = (type: string, on: Element, pointerType = "mouse"): void => {
  on.dispatchEvent(Object.assign(new MouseEvent(type, { bubbles: type === "pointerdown" }), { pointerType }));
};

beforeEach(() => {
  vi.useFakeTimers();
  document.body.innerHTML = `<article>
    <p>Far <sup><a id="mark-1-1" class="claim-link" href="#evidence-far">1</a></sup> and
    near <sup><a id="mark-2-1" class="claim-link" href="#evidence-near">2</a></sup>
      <a id="next" href="#x">x</a></p>
    <ol>${NOTE("far", "32 new ledgers")}${NOTE("near")}</ol></article>`;
  load = async () => instant;
  cards = new Cards(document.body, STRINGS.en, () => load());
  cards.start();
});
afterEach(() => {
  cards.close(false);
  vi.useRealTimers();
});

describe("a card", () => {
  it("shows the note once, without its ids and its way back", () => {
    mark(0).click();
    expect(card()!.textContent).toContain("recall of far");
    expect(card()!.querySelector(".claim-back")).toBeNull();
    expect(document.querySelectorAll("#evidence-far")).toHaveLength(1);
    expect(document.querySelectorAll("[id]").length).toBe(
      new Set([...document.querySelectorAll("[id]")].map((el) => el.id)).size,
    );
    const named = card()!.getAttribute("aria-labelledby")!.split(" ");
    expect(named.map((id) => document.getElementById(id)!.textContent!.trim())).toEqual([
      "Evidence 1",
      "recall of far",
    ]);
    expect(card()!.querySelector(".claim-whole")!.getAttribute("href")).toBe("#evidence-far");
  });

  it("is announced by its mark while it is open, and takes the focus when it is pressed", () => {
    expect(mark(0).getAttribute("aria-expanded")).toBe("false");
    mark(0).click();
    expect(mark(0).getAttribute("aria-expanded")).toBe("true");
    expect(mark(0).getAttribute("aria-controls")).toBe(card()!.id);
    expect(document.activeElement).toBe(card());
    mark(0).click();
    expect(card()).toBeNull();
    expect(mark(0).getAttribute("aria-expanded")).toBe("false");
    expect(mark(0).hasAttribute("aria-controls")).toBe(false);
    expect(document.activeElement).toBe(mark(0));
  });

  it("gives way to another mark's", () => {
    mark(0).click();
    mark(1).click();
    expect(document.querySelectorAll(".claim-card")).toHaveLength(1);
    expect(card()!.textContent).toContain("recall of near");
    expect(mark(0).getAttribute("aria-expanded")).toBe("false");
  });

  it("closes on Escape, and the focus returns", () => {
    mark(0).click();
    press("Escape");
    expect(card()).toBeNull();
    expect(document.activeElement).toBe(mark(0));
  });

  it("closes on a tap elsewhere, not on one within", () => {
    mark(0).click();
    pointer("pointerdown", card()!.querySelector("strong")!);
    expect(card()).not.toBeNull();
    pointer("pointerdown", document.querySelector("#next")!);
    expect(card()).toBeNull();
  });

  it("opens under a resting mouse and closes when it leaves, but waits for it to come over", () => {
    pointer("pointerenter", mark(0));
    expect(card()).toBeNull();
    vi.advanceTimersByTime(200);
    expect(card()).not.toBeNull();
    expect(document.activeElement).toBe(document.body);
    pointer("pointerleave", mark(0));
    vi.advanceTimersByTime(100);
    pointer("pointerenter", card()!);
    vi.advanceTimersByTime(1000);
    expect(card()).not.toBeNull();
    pointer("pointerleave", card()!);
    vi.advanceTimersByTime(1000);
    expect(card()).toBeNull();
  });

  it("stays when the pointer leaves once it was pressed", () => {
    mark(0).click();
    pointer("pointerleave", mark(0));
    vi.advanceTimersByTime(1000);
    expect(card()).not.toBeNull();
  });

  it("does not open for a mouse that passes, nor for a finger that only touches", () => {
    pointer("pointerenter", mark(0));
    pointer("pointerleave", mark(0));
    vi.advanceTimersByTime(1000);
    pointer("pointerenter", mark(0), "touch");
    vi.advanceTimersByTime(1000);
    expect(card()).toBeNull();
  });

  it("is the next stop of Tab behind its mark, and leads on at its end", () => {
    mark(0).click();
    mark(0).focus();
    expect(press("Tab").defaultPrevented).toBe(true);
    const stops = [...card()!.querySelectorAll<HTMLElement>("a[href], button")];
    expect(document.activeElement).toBe(stops[0]);
    expect(press("Tab").defaultPrevented).toBe(false);
    stops[stops.length - 1].focus();
    expect(press("Tab").defaultPrevented).toBe(false); // the browser goes on from the mark
    expect(document.activeElement).toBe(mark(0));
    expect(card()).toBeNull();
  });

  it("leads back to its mark with Shift and Tab", () => {
    mark(0).click();
    card()!.querySelector<HTMLElement>("button")!.focus();
    expect(press("Tab", document.activeElement!, true).defaultPrevented).toBe(true);
    expect(document.activeElement).toBe(mark(0));
  });

  it("leaves links that open elsewhere to the browser", () => {
    mark(0).dispatchEvent(new MouseEvent("click", { ctrlKey: true, bubbles: true, cancelable: true }));
    expect(card()).toBeNull();
  });
});

describe("measuring again", () => {
  const line = (): HTMLElement => document.querySelector<HTMLElement>("#evidence-far .claim-line")!;

  it("is offered only where the page can", () => {
    mark(0).click();
    expect(card()!.querySelector(".claim-again-button")!.textContent).toBe("Measure it again here");
    expect(card()!.textContent).toContain("32 new ledgers");
    mark(1).click();
    expect(card()!.querySelector(".claim-again-button")).toBeNull();
  });

  it("puts a point on the line, says what was found, and keeps it for the next time", async () => {
    vi.useRealTimers();
    mark(0).click();
    const button = card()!.querySelector<HTMLButtonElement>(".claim-again-button")!;
    button.click();
    button.click(); // while it runs, another press does nothing
    await vi.waitFor(() => expect(button.textContent).toBe("Measure once more"));
    expect(card()!.querySelectorAll("path.again")).toHaveLength(1);
    expect(card()!.querySelector("[role=status]")!.textContent).toBe(
      "Your browser measured 0.78 (18 fresh inputs; the diamond on the line). " +
        "All 18 fresh inputs together: 0.78, 95 % interval 0.57 to 0.99.",
    );
    cards.close(true);
    mark(0).click();
    expect(card()!.querySelectorAll("path.again")).toHaveLength(1);
    card()!.querySelector<HTMLButtonElement>(".claim-again-button")!.click();
    await vi.waitFor(() => expect(card()!.querySelectorAll("path.again")).toHaveLength(2));
    expect(card()!.querySelector("[role=status]")!.textContent).toContain("All 36 fresh inputs together");
    expect(line().querySelectorAll("path.again")).toHaveLength(0); // the note stays what the book measured
  });

  it("says what went wrong, and can be tried again", async () => {
    vi.useRealTimers();
    load = () => Promise.reject(new Error("frontier-measures.js"));
    mark(0).click();
    card()!.querySelector<HTMLButtonElement>(".claim-again-button")!.click();
    const status = card()!.querySelector("[role=status]")!;
    await vi.waitFor(() => expect(status.textContent).toBe("It could not be measured: frontier-measures.js"));
    expect(card()!.querySelector(".claim-again-button")!.hasAttribute("aria-disabled")).toBe(false);
  });

  it("ends with its card", async () => {
    vi.useRealTimers();
    const life = new AbortController();
    let read = 0;
    const part = againPart(line(), STRINGS.en, life.signal, async () => async (_name, _seed, told) => {
      for (read = 1; read < 100; read++) await told(read, 100);
      return [];
    });
    part!.querySelector("button")!.click();
    await vi.waitFor(() => expect(read).toBeGreaterThan(1));
    life.abort();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(read).toBeLessThan(100);
  });
});

describe("place", () => {
  const view = { width: 390, height: 800 };

  it("is below the mark, above where only there is room, and never outside", () => {
    const size = { width: 374, height: 300 };
    expect(place({ left: 100, top: 100, width: 20, height: 20 }, size, view)).toEqual({
      left: GAP,
      top: 120 + GAP,
      maxHeight: 800 - 120 - 2 * GAP,
    });
    const above = place({ left: 380, top: 700, width: 10, height: 20 }, size, view);
    expect(above.top + size.height + GAP).toBe(700);
    for (let top = 0; top < 800; top += 50)
      for (let left = 0; left < 390; left += 30) {
        const found = place({ left, top, width: 10, height: 20 }, { width: 374, height: 2000 }, view);
        expect(found.left).toBeGreaterThanOrEqual(0);
        expect(found.left + 374).toBeLessThanOrEqual(390);
        expect(found.top + Math.min(2000, found.maxHeight)).toBeLessThanOrEqual(800);
      }
  });
});

it("puts a number along the line, and one beyond it at its end", () => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.dataset.low = "-1";
  svg.dataset.high = "1";
  expect(along(svg, 0)).toBe(160);
  expect(along(svg, 7)).toBeLessThan(320);
  expect(along(svg, -7)).toBeGreaterThan(0);
});

import { describe, expect, it } from "vitest";
import { float32, fromBase64, fromHex } from "../../src/base/bytes";
import { h, uniqueId } from "../../src/base/dom";
import { keepKeys, roving, setTabStop } from "../../src/base/keyboard";
import { toCsv } from "../../src/base/save";
import { follow, svg, toElement, type Drawing } from "../../src/base/shapes";
import { pickLanguage } from "../../src/base/strings";
import { dataTable } from "../../src/base/table";
import { STRINGS as HEADS } from "../../src/attention_pattern_analyzer/strings";
import { STRINGS as LONG_CONTEXT } from "../../src/long_context_strategies/strings";
import { STRINGS } from "../../src/moe_routing/strings";
import { BASE_STRINGS } from "../../src/base/strings";

describe("bytes", () => {
  it("reads float32 at any offset", () => {
    const view = fromHex("ff0000803f000000c0");
    expect([...float32(new DataView(view.buffer, 1))]).toEqual([1, -2]);
    expect(fromBase64("AAA=").byteLength).toBe(2);
    expect(() => fromHex("abc")).toThrow(/odd length/);
  });
});

describe("text goes in as text", () => {
  it("in elements, attributes and tables", () => {
    const evil = "<img src=x onerror=alert(1)>";
    const el = h("p", { title: evil }, evil);
    expect(el.querySelector("img")).toBeNull();
    expect(dataTable({ caption: evil, columns: [evil], rows: [[evil, 1]] }).querySelector("img")).toBeNull();
  });

  it("in tables, with a header over its numbers", () => {
    const table = dataTable({
      caption: "c",
      columns: ["a", "b", "c"],
      rows: [
        ["1", "x", 0.5],
        ["2", "y", "–"],
      ],
    });
    const numbers = [...table.querySelectorAll(".fw-number")].map((cell) => cell.textContent);
    expect(numbers).toEqual(["c", "0.5", "–"]);
  });

  it("quotes CSV cells", () =>
    expect(toCsv(["a"], [['x"y'], ["1,2"], ["n\nl"], [3]])).toBe('a\r\n"x""y"\r\n"1,2"\r\n"n\nl"\r\n3\r\n'));

  it("never repeats an id", () => expect(uniqueId("a")).not.toBe(uniqueId("a")));
});

describe("keyboard", () => {
  it("moves one tab stop with arrows, Home, End and Page keys", () => {
    const items = Array.from({ length: 6 }, () => h("div", { role: "option" }));
    const list = h("div", { role: "listbox" }, ...items);
    document.body.replaceChildren(list);
    const log: string[] = [];
    roving(list, {
      items: () => items,
      move: (i) => void log.push(`move ${i}`),
      activate: (i) => void log.push(`activate ${i}`),
      release: () => void log.push("release"),
      segments: () => [0, 3],
      signal: new AbortController().signal,
    });
    setTabStop(items, 0);
    items[0].focus();
    for (const key of [
      "ArrowRight",
      "PageDown",
      "End",
      "ArrowLeft",
      "PageUp",
      "Home",
      "Enter",
      "Escape",
      "a",
    ]) {
      document.activeElement?.dispatchEvent(
        new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }),
      );
    }
    expect(log).toEqual([
      "move 1",
      "move 3",
      "move 5",
      "move 4",
      "move 3",
      "move 0",
      "activate 0",
      "release",
    ]);
    expect(items.map((item) => item.tabIndex)).toEqual([0, -1, -1, -1, -1, -1]);
  });

  it("keeps the keys of its controls from the notebook, and gives it all others", () => {
    const slider = h("input", { type: "range" });
    const root = h("div", {}, slider);
    document.body.replaceChildren(root);
    const end = new AbortController();
    keepKeys(root, end.signal);
    const heard: string[] = [];
    document.addEventListener("keydown", (event) => heard.push(event.key), { signal: end.signal });
    const strike = (init: KeyboardEventInit): boolean =>
      slider.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...init }));
    for (const key of ["ArrowRight", "Home", "PageUp", "Enter", " "])
      expect(strike({ key }), "the control still gets it").toBe(true);
    expect(heard).toEqual([]);
    strike({ key: "s", ctrlKey: true });
    strike({ key: "Enter", shiftKey: true });
    strike({ key: "Escape" });
    expect(heard).toEqual(["s", "Enter", "Escape"]);
    end.abort();
  });
});

describe("drawings", () => {
  const dot = (x: number, fill: string | null = "red"): Drawing["children"][0] =>
    svg("circle", { cx: x, r: 2, fill });
  const all: Drawing[] = [
    svg("svg", { width: 10 }, dot(1), svg("text", { x: 1 }, "<b>one</b>"), dot(2)),
    svg("svg", { width: 20, height: 5 }, dot(1), svg("text", {}, "two")),
    svg(
      "svg",
      { width: 20 },
      svg("g", { id: "g" }, dot(3), "loose"),
      svg("text", { x: undefined }, dot(4)),
      dot(5, null),
      dot(6),
    ),
    svg("svg", {}),
    svg("svg", { width: 20 }, "loose", svg("g", {}, "text", dot(3))),
  ];

  it("follow from any to any other", () => {
    for (const from of all)
      for (const to of all) {
        const place = h("div");
        const paint = follow(place);
        paint(from);
        paint(to);
        expect(place.childNodes).toHaveLength(1);
        expect(
          place.firstChild?.isEqualNode(toElement(to)),
          `${JSON.stringify(from)} to ${JSON.stringify(to)}`,
        ).toBe(true);
      }
  });

  it("keep the elements that stay, and write nothing that is the same", async () => {
    const place = h("div");
    const paint = follow(place);
    paint(svg("svg", {}, dot(1), dot(2)));
    const before = [...place.querySelectorAll("circle")];
    const seen: MutationRecord[] = [];
    const observer = new MutationObserver((records) => seen.push(...records));
    observer.observe(place, { subtree: true, childList: true, attributes: true, characterData: true });
    paint(svg("svg", {}, dot(1), dot(7)));
    await Promise.resolve();
    observer.disconnect();
    expect([...place.querySelectorAll("circle")]).toEqual(before);
    expect(seen.map(({ target, attributeName }) => [target, attributeName])).toEqual([[before[1], "cx"]]);
  });
});

describe("languages", () => {
  it("follows the trait, then the page, then Chinese", () => {
    document.documentElement.lang = "en";
    expect(pickLanguage("zh")).toBe("zh");
    expect(pickLanguage("")).toBe("en");
    document.documentElement.lang = "";
    expect(pickLanguage(undefined)).toBe("zh");
  });

  it("has the same texts in both, and no Chinese in the English ones", () => {
    const shape = (value: unknown): unknown =>
      typeof value === "object" && value
        ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shape(v)]))
        : typeof value === "function"
          ? value.length
          : typeof value;
    for (const table of [STRINGS, LONG_CONTEXT, HEADS, BASE_STRINGS])
      expect(shape(table.en)).toEqual(shape(table.zh));
    const english = JSON.stringify([STRINGS.en, LONG_CONTEXT.en, HEADS.en], (_, value: unknown) =>
      typeof value === "function" ? String(value) : value,
    );
    expect(english).not.toMatch(/[\u4e00-\u9fff]/);
  });
});

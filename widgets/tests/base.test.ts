import { describe, expect, it } from "vitest";
import { float32, fromBase64, fromHex } from "../src/base/bytes";
import { h, uniqueId } from "../src/base/dom";
import { roving, setTabStop } from "../src/base/keyboard";
import { toCsv } from "../src/base/save";
import { pickLanguage } from "../src/base/strings";
import { dataTable } from "../src/base/table";
import { STRINGS } from "../src/moe_routing_strings";
import { BASE_STRINGS } from "../src/base/strings";

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

  it("quotes CSV cells", () => expect(toCsv(["a"], [['x"y'], ["1,2"], ["n\nl"], [3]])).toBe('a\r\n"x""y"\r\n"1,2"\r\n"n\nl"\r\n3\r\n'));

  it("never repeats an id", () => expect(uniqueId("a")).not.toBe(uniqueId("a")));
});

describe("keyboard", () => {
  it("moves one tab stop with arrows, Home, End and Page keys", () => {
    const items = Array.from({ length: 6 }, () => h("div", { role: "option" }));
    const list = h("div", { role: "listbox" }, ...items);
    document.body.replaceChildren(list);
    const log: string[] = [];
    roving(list, {
      items: () => items, move: (i) => void log.push(`move ${i}`), activate: (i) => void log.push(`activate ${i}`),
      release: () => void log.push("release"), segments: () => [0, 3], signal: new AbortController().signal,
    });
    setTabStop(items, 0);
    items[0].focus();
    for (const key of ["ArrowRight", "PageDown", "End", "ArrowLeft", "PageUp", "Home", "Enter", "Escape", "a"]) {
      document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    }
    expect(log).toEqual(["move 1", "move 3", "move 5", "move 4", "move 3", "move 0", "activate 0", "release"]);
    expect(items.map((item) => item.tabIndex)).toEqual([0, -1, -1, -1, -1, -1]);
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
      typeof value === "object" && value ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shape(v)])) : typeof value === "function" ? value.length : typeof value;
    for (const table of [STRINGS, BASE_STRINGS]) expect(shape(table.en)).toEqual(shape(table.zh));
    const english = JSON.stringify(STRINGS.en, (_, value: unknown) => (typeof value === "function" ? String(value) : value));
    expect(english).not.toMatch(/[\u4e00-\u9fff]/);
  });
});

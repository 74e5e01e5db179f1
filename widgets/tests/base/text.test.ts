// How texts are measured and tokens are shown.
import { describe, expect, it } from "vitest";
import { fit, shown, shownTokens, textWidth, unfinished } from "../../src/base/text";

const bytes = (text: string): string[] =>
  [...new TextEncoder().encode(text)].map(
    (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  );

describe("width", () => {
  it("counts wide letters as a whole em, and marks beside a character as narrow", () => {
    expect(textWidth("馆", 10)).toBe(10);
    expect(textWidth("ab", 10)).toBe(12);
    expect(textWidth("馆₁", 10)).toBe(16);
    expect(textWidth("😀", 10)).toBe(10);
  });

  it("cuts a text where the room ends", () => {
    expect(fit("图书馆", 25, 10)).toBe("图书");
    expect(fit("library", 25, 10)).toBe("libr");
    expect(fit("", 25, 10)).toBe("");
  });
});

describe("tokens", () => {
  it("show blanks, line ends and what is too long", () => {
    expect(["▁the", "Ġthe", " the", "▁", "\n", "Ċ", "<0x0A>", "\t", ""].map(shown)).toEqual([
      "the",
      "the",
      "the",
      "␣",
      "↵",
      "↵",
      "↵",
      "⇥",
      "∅",
    ]);
    expect(shown("y".repeat(30))).toBe(`${"y".repeat(23)}…`);
  });

  it("show the bytes of a character as its parts", () => {
    expect(shownTokens(["▁", ...bytes("馆"), "明"])).toEqual(["␣", "馆₁", "馆₂", "馆₃", "明"]);
    expect(shownTokens(bytes("é😀"))).toEqual(["é₁", "é₂", "😀₁", "😀₂", "😀₃", "😀₄"]);
    expect(shownTokens(bytes("\nA"))).toEqual(["↵", "A"]);
  });

  it("join bytes that one token holds, and keep apart what two characters share", () => {
    const [a, b, c, d, e, f] = bytes("馆明");
    expect(shownTokens([a + b, c])).toEqual(["馆₁", "馆₂"]);
    expect(shownTokens([a + b + c])).toEqual(["馆"]);
    expect(shownTokens([a + b, c + d, e + f])).toEqual(["馆₁", "馆₂明₁", "明₂"]);
  });

  it("show as numbers what makes no character", () => {
    const [a, b, c] = bytes("馆");
    expect(shownTokens([a, b])).toEqual(["<0xE9>", "<0xA6>"]);
    expect(shownTokens([b, a, b, c])).toEqual(["<0xA6>", "馆₁", "馆₂", "馆₃"]);
    expect(shownTokens([a, "x", b])).toEqual(["<0xE9>", "x", "<0xA6>"]);
    expect(shownTokens(["<0xED>", "<0xA0>", "<0x80>"]), "no half of a surrogate pair").toEqual([
      "<0xED>",
      "<0xA0>",
      "<0x80>",
    ]);
  });

  it("say which part of a character is last, while it is not known", () => {
    const [a, b, c] = bytes("馆");
    expect(unfinished(["x", a])).toEqual({ part: 1, bytes: "E9" });
    expect(unfinished([a, b])).toEqual({ part: 2, bytes: "A6" });
    expect(unfinished([a + b])).toEqual({ part: 1, bytes: "E9 A6" });
    expect(unfinished([a, b, c])).toBeNull();
    expect(unfinished([a, b, c, a])).toEqual({ part: 1, bytes: "E9" });
    expect(unfinished([a, "x"])).toBeNull();
    expect(unfinished([])).toBeNull();
  });
});

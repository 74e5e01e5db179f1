// How text is measured in drawings, and how tokens are shown to a reader.

/** Letters as wide as they are tall: Hangul, CJK, full-width forms, emoji. */
const WIDE = /[\u1100-\u115f\u2e80-\uffdc\u{1f300}-\u{1faff}]/u;
/** Width of any other letter over the size of the font: exact for monospace, a guess for sans-serif. */
const NARROW = 0.6;

/** About how wide a text is in a font of this size, in the units of the size. */
export function textWidth(text: string, size: number): number {
  let ems = 0;
  for (const letter of text) ems += WIDE.test(letter) ? 1 : NARROW;
  return ems * size;
}

/** The beginning of a text that fits into `room`. */
export function fit(text: string, room: number, size: number): string {
  let used = 0;
  let out = "";
  for (const letter of text) {
    used += textWidth(letter, size);
    if (used > room) return out;
    out += letter;
  }
  return out;
}

/** Longest token that is shown whole. */
const LONGEST = 24;
const BYTES = /^(?:<0x[0-9A-F]{2}>)+$/;

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, "0");

/** How tokenizers with byte fallback spell a byte that is no character by itself. */
export const byteName = (byte: number): string => `<0x${hex(byte)}>`;

/** A token by itself: blanks and line ends become visible, and a word's leading blank goes. */
export function shown(token: string): string {
  const text = token
    .replace(/^[\u2581\u0120 ](?=.)/u, "")
    .replace(/\u010a|\n|<0x0A>/g, "↵")
    .replace(/\t|<0x09>/g, "⇥")
    .replace(/[\u2581\u0120 ]/gu, "␣");
  if (text === "") return "∅";
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

interface Byte {
  value: number;
  token: number;
}

/** Characters that bytes make, as [start, end) in `bytes`; what makes none is left out. */
function characters(bytes: readonly Byte[]): { start: number; end: number; text: string }[] {
  const found: { start: number; end: number; text: string }[] = [];
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let start = 0; start < bytes.length; ) {
    const { value } = bytes[start];
    const length = value < 0x80 ? 1 : value < 0xc2 ? 0 : value < 0xe0 ? 2 : value < 0xf0 ? 3 : 4;
    const part = bytes.slice(start, start + length);
    start += 1;
    if (!length || part.length < length) continue;
    try {
      const text = decoder.decode(Uint8Array.from(part, (byte) => byte.value));
      found.push({ start: start - 1, end: start - 1 + length, text });
      start += length - 1;
    } catch {} // not UTF-8: these bytes stay numbers
  }
  return found;
}

/**
 * Tokens one after the other. Bytes that make one character
 * are shown as its parts, 馆₁ 馆₂ 馆₃; others as their number.
 */
export function shownTokens(tokens: readonly string[]): string[] {
  const labels = tokens.map((token) => (BYTES.test(token) ? "" : shown(token)));
  for (const bytes of runsOfBytes(tokens)) {
    let next = 0;
    const numbers = (end: number): void => {
      for (const { value, token } of bytes.slice(next, end)) labels[token] += byteName(value);
    };
    for (const { start, end, text } of characters(bytes)) {
      numbers(start);
      const parts = [...new Set(bytes.slice(start, end).map(({ token }) => token))];
      parts.forEach((token, i) => {
        labels[token] += parts.length > 1 ? text + String.fromCharCode(0x2081 + i) : shown(text);
      });
      next = end;
    }
    numbers(bytes.length);
  }
  return labels;
}

/** Bytes of neighbouring tokens that consist of bytes. */
function runsOfBytes(tokens: readonly string[]): Byte[][] {
  const runs: Byte[][] = [];
  tokens.forEach((token, i) => {
    if (!BYTES.test(token)) return;
    if (i === 0 || !BYTES.test(tokens[i - 1])) runs.push([]);
    const values = token.match(/[0-9A-F]{2}(?=>)/g) ?? [];
    runs.at(-1)?.push(...values.map((digits) => ({ value: parseInt(digits, 16), token: i })));
  });
  return runs;
}

/**
 * Which part of a character the last token is, from 1, and its
 * bytes; null where it is no part, or the character is known.
 */
export function unfinished(tokens: readonly string[]): { part: number; bytes: string } | null {
  const last = tokens.length - 1;
  if (last < 0 || !BYTES.test(tokens[last])) return null;
  const run = runsOfBytes(tokens).at(-1) ?? [];
  const open = run.slice(characters(run).at(-1)?.end ?? 0);
  const own = open.filter(({ token }) => token === last);
  if (!own.length) return null;
  return {
    part: [...new Set(open.map(({ token }) => token))].length,
    bytes: own.map(({ value }) => hex(value)).join(" "),
  };
}

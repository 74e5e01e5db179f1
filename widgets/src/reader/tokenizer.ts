// Two BPE tokenizers, read from a tokenizer.json of the `tokenizers` library: byte fallback (Llama's kind) and byte level
// (GPT-2's). Written by hand because the library's own builds for browsers weigh megabytes, and the book's causal models use
// these two kinds alone.

interface PreTokenizer {
  type: string;
  pretokenizers?: PreTokenizer[];
  prepend_scheme?: string;
  behavior?: string;
  add_prefix_space?: boolean;
}

export interface TokenizerFile {
  normalizer: unknown;
  pre_tokenizer: PreTokenizer | null;
  model: { type: string; vocab: Record<string, number>; merges: [string, string][]; byte_fallback: boolean };
  added_tokens: { id: number; content: string }[];
}

const BLANK = "\u2581";
/** ASCII's punctuation and Unicode's, as Rust's `Punctuation` counts them; the flag `v` is not in every browser. */
const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/u;
const BYTE = /^<0x([0-9A-F]{2})>$/;

/** GPT-2's words: what letters, digits and other marks are together, each with the blank before it. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
/** GPT-2's letter of each byte: itself where it can be seen, else the next one from U+0100. */
const LETTERS = ((): string[] => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const seen = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(seen ? byte : next++);
  });
})();
const BYTES = new Map(LETTERS.map((letter, byte) => [letter, byte]));

const byteName = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;

export class Tokenizer {
  readonly tokens: string[] = [];
  /** The token that ends a text, -1 for none. */
  readonly end: number;
  readonly #level: boolean;
  readonly #vocab: Map<string, number>;
  readonly #special: Map<string, number>;
  readonly #ranks: Map<string, number>;

  constructor(file: TokenizerFile) {
    const { model, pre_tokenizer, normalizer } = file;
    const kinds = (pre_tokenizer?.pretokenizers ?? []).map(({ type, prepend_scheme, behavior }) =>
      [type, prepend_scheme ?? behavior].join(" "),
    );
    this.#level = pre_tokenizer?.type === "ByteLevel" && !pre_tokenizer.add_prefix_space;
    const fallback = model.byte_fallback && kinds.join() === "Metaspace first,Punctuation Isolated";
    if (model.type !== "BPE" || normalizer !== null || !(this.#level || fallback)) {
      throw new Error(
        `tokenizer: got ${model.type} with [${kinds.join() || (pre_tokenizer?.type ?? "")}], wanted BPE at byte level, or with byte fallback, Metaspace first, Punctuation Isolated`,
      );
    }
    this.#vocab = new Map(Object.entries(model.vocab));
    this.#special = new Map(file.added_tokens.map(({ content, id }) => [content, id]));
    this.#ranks = new Map(model.merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
    for (const [token, id] of [...this.#vocab, ...this.#special]) this.tokens[id] = token;
    this.end = this.tokens.findIndex((token) => token === "</s>" || token === "<|endoftext|>");
  }

  /** Token ids of a text, without any that a template would add. */
  encode(text: string): number[] {
    const ids: number[] = [];
    let plain = "";
    let first = true;
    const flush = (): void => {
      if (plain) for (const piece of this.#pieces(plain, first)) ids.push(...this.#merge(piece));
      if (plain) first = false;
      plain = "";
    };
    for (let at = 0; at < text.length; ) {
      const special = [...this.#special.keys()].find((content) => text.startsWith(content, at));
      if (special) {
        flush();
        first = false; // a special token is the beginning: what follows it gets no blank
        ids.push(this.#special.get(special)!);
        at += special.length;
      } else plain += text[at++];
    }
    flush();
    return ids;
  }

  /** Text of ids; bytes that are no UTF-8 come out as U+FFFD. */
  decode(ids: readonly number[]): string {
    if (this.#level) {
      const letters = ids.flatMap((id) =>
        this.#special.has(this.tokens[id])
          ? [...new TextEncoder().encode(this.tokens[id])]
          : [...this.tokens[id]].map((letter) => BYTES.get(letter)!),
      );
      return new TextDecoder().decode(Uint8Array.from(letters));
    }
    let text = "";
    let bytes: number[] = [];
    const flush = (): void => {
      if (!bytes.length) return;
      try {
        text += new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
      } catch {
        text += "\uFFFD".repeat(bytes.length);
      }
      bytes = [];
    };
    for (const id of ids) {
      const byte = BYTE.exec(this.tokens[id]);
      if (byte) bytes.push(parseInt(byte[1], 16));
      else {
        flush();
        text += this.tokens[id].replaceAll(BLANK, " ");
      }
    }
    flush();
    return text.startsWith(" ") ? text.slice(1) : text;
  }

  /** Words that begin with a blank, and every punctuation mark by itself. */
  #pieces(text: string, first: boolean): string[] {
    if (this.#level)
      return (text.match(WORDS) ?? []).map((word) =>
        [...new TextEncoder().encode(word)].map((byte) => LETTERS[byte]).join(""),
      );
    let marked = text.replaceAll(" ", BLANK);
    if (first && !marked.startsWith(BLANK)) marked = BLANK + marked;
    const pieces: string[] = [];
    let piece = "";
    const end = (): void => {
      if (piece) pieces.push(piece);
      piece = "";
    };
    for (const character of marked) {
      if (character === BLANK) end();
      if (PUNCTUATION.test(character)) {
        end();
        pieces.push(character);
      } else piece += character;
    }
    end();
    return pieces;
  }

  #merge(piece: string): number[] {
    const parts = [...piece].flatMap((character) =>
      this.#vocab.has(character) ? [character] : [...new TextEncoder().encode(character)].map(byteName),
    );
    for (;;) {
      let best = Infinity;
      let at = -1;
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = this.#ranks.get(`${parts[i]} ${parts[i + 1]}`);
        if (rank !== undefined && rank < best) [best, at] = [rank, i];
      }
      if (at < 0) return parts.map((part) => this.#vocab.get(part)!);
      parts.splice(at, 2, parts[at] + parts[at + 1]);
    }
  }
}

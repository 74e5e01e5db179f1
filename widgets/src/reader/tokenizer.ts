// The two kinds of BPE tokenizers that the book's causal models have, read from a tokenizer.json: byte
// fallback (Llama) and byte level (GPT-2). Words, merges and bytes are the work of Hugging Face's library;
// its `Tokenizer` would bring every other kind as well, four times the code, so its parts are joined here.
import {
  BPE,
  ByteFallbackDecoder,
  ByteLevelDecoder,
  ByteLevelPreTokenizer,
  MetaspacePreTokenizer,
  PunctuationPreTokenizer,
} from "@huggingface/tokenizers";
import { byteName } from "../base/text";

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

/** GPT-2's letter of each byte: itself where it can be seen, else the next one from U+0100. */
const LETTERS = ((): string[] => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const seen = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(seen ? byte : next++);
  });
})();
const BYTES = new Map(LETTERS.map((letter, byte) => [letter, byte]));

/**
 * A token of a byte-level tokenizer as text, or as its bytes where these are no whole characters. Blanks and
 * line ends keep their letters, which mark them as in any other tokenizer.
 */
function spellBytes(token: string): string {
  const bytes = Uint8Array.from(token, (letter) => BYTES.get(letter) ?? 0x3f);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return Array.from(text, (letter) => (letter < "!" ? LETTERS[letter.charCodeAt(0)] : letter)).join("");
  } catch {
    return Array.from(bytes, byteName).join("");
  }
}

/** How a text is cut into words, and how tokens become a text again. */
interface Kind {
  /** `section` counts the parts of a text between special tokens. */
  words(text: string, section: number): string[];
  text(tokens: string[]): string;
}

function byteLevel(): Kind {
  const before = new ByteLevelPreTokenizer({ type: "ByteLevel", add_prefix_space: false });
  const after = new ByteLevelDecoder({ type: "ByteLevel" });
  return { words: (text) => before.pre_tokenize(text), text: (tokens) => after.decode(tokens) };
}

function byteFallback(): Kind {
  const blanks = new MetaspacePreTokenizer({
    type: "Metaspace",
    replacement: BLANK,
    prepend_scheme: "first",
  });
  const marks = new PunctuationPreTokenizer({ type: "Punctuation", behavior: "Isolated" });
  const after = new ByteFallbackDecoder({ type: "ByteFallback" });
  return {
    words: (text, section) => marks.pre_tokenize(blanks.pre_tokenize(text, { section_index: section })),
    text: (tokens) => after.decode(tokens.map((token) => token.replaceAll(BLANK, " "))).replace(/^ /, ""),
  };
}

/** The kind of a file; any other would be read wrongly without a word. */
function kindOf({ model, pre_tokenizer, normalizer }: TokenizerFile): Kind {
  const parts = (pre_tokenizer?.pretokenizers ?? []).map(({ type, prepend_scheme, behavior }) =>
    [type, prepend_scheme ?? behavior].join(" "),
  );
  const found = parts.join() || (pre_tokenizer?.type ?? "");
  if (model.type === "BPE" && normalizer === null) {
    if (found === "ByteLevel" && !pre_tokenizer?.add_prefix_space) return byteLevel();
    if (found === "Metaspace first,Punctuation Isolated" && model.byte_fallback) return byteFallback();
  }
  throw new Error(
    `tokenizer: got ${model.type} with [${found}], wanted BPE at byte level, ` +
      "or with byte fallback, Metaspace first, Punctuation Isolated",
  );
}

export class Tokenizer {
  /** Of each id: text, with its tokenizer's mark of a blank, or `<0xE9>` for a byte that is no character. */
  readonly tokens: string[] = [];
  /** The token that ends a text, -1 for none. */
  readonly end: number;
  readonly #kind: Kind;
  readonly #model: BPE;
  readonly #special: Map<string, number>;
  /** Of each id, as the file spells it. */
  readonly #spelled: string[] = [];

  constructor(file: TokenizerFile) {
    const { model, added_tokens, pre_tokenizer } = file;
    this.#kind = kindOf(file);
    this.#model = new BPE({ ...model, type: "BPE", ignore_merges: false });
    this.#special = new Map(added_tokens.map(({ content, id }) => [content, id]));
    const level = pre_tokenizer?.type === "ByteLevel";
    for (const [token, id] of Object.entries(model.vocab)) {
      this.#spelled[id] = token;
      this.tokens[id] = level ? spellBytes(token) : token;
    }
    for (const { id, content } of added_tokens) this.#spelled[id] = this.tokens[id] = content;
    this.end = this.tokens.findIndex((token) => token === "</s>" || token === "<|endoftext|>");
  }

  /** Token ids of a text, without any that a template would add. */
  encode(text: string): number[] {
    return sectionsOf(text, [...this.#special.keys()]).flatMap((section, i) => {
      const special = this.#special.get(section);
      if (special !== undefined) return [special];
      return this.#model
        .encode(this.#kind.words(section, i))
        .map((token) => this.#model.tokens_to_ids.get(token)!);
    });
  }

  /** Text of ids; bytes that are no UTF-8 come out as U+FFFD. */
  decode(ids: readonly number[]): string {
    return this.#kind.text(ids.map((id) => this.#spelled[id]));
  }
}

/** A text cut at its special tokens, these among the parts. */
export function sectionsOf(text: string, specials: readonly string[]): string[] {
  const sections: string[] = [];
  let plain = "";
  for (let at = 0; at < text.length; ) {
    const special = specials.find((content) => text.startsWith(content, at));
    if (special) {
      if (plain) sections.push(plain);
      plain = "";
      sections.push(special);
    } else plain += text[at];
    at += special?.length ?? 1;
  }
  return plain ? [...sections, plain] : sections;
}

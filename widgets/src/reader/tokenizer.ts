// The tokenizer of a checkpoint in the page: Hugging Face's
// own code for tokenizer.json, and how each token is spelled.
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { byteName } from "../base/text";

/** What is read of a tokenizer.json here; the library reads the rest. */
export interface TokenizerFile {
  pre_tokenizer: { type: string } | null;
  model: { type: string; vocab: Record<string, number> };
  added_tokens: { id: number; content: string }[];
}

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

export class Tokenizer {
  /**
   * Of each id: text, with the tokenizer's mark of a word's
   * beginning, or `<0xE9>` for a byte that is no character.
   */
  readonly tokens: string[] = [];
  /** The token that ends a text, -1 for none. */
  readonly end: number;
  readonly #library: Library;

  constructor(file: TokenizerFile) {
    const { model, pre_tokenizer, added_tokens } = file;
    if (model.type !== "BPE") throw new Error(`tokenizer: got ${model.type}, wanted BPE`);
    this.#library = new Library(file, { clean_up_tokenization_spaces: false });
    const level = pre_tokenizer?.type === "ByteLevel";
    for (const [token, id] of Object.entries(model.vocab))
      this.tokens[id] = level ? spellBytes(token) : token;
    for (const { id, content } of added_tokens) this.tokens[id] = content;
    this.end = this.tokens.findIndex((token) => token === "</s>" || token === "<|endoftext|>");
  }

  /** Token ids of a text, without any that a template would add. */
  encode(text: string): number[] {
    return this.#library.encode(text, { add_special_tokens: false }).ids;
  }

  /** Text of ids; bytes that are no UTF-8 come out as U+FFFD. */
  decode(ids: readonly number[]): string {
    return this.#library.decode([...ids]);
  }
}

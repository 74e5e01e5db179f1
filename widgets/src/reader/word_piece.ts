// Tokenizers of the book's encoders, read from a tokenizer.json: BERT's word pieces, and RoBERTa's bytes in
// their frames. Words and pieces are the work of Hugging Face's library. Its BertNormalizer (0.2.0) is not:
// it lower-cases words and not letters (ΟΔΟΣ gets a ς), and looks for ideographs in halves of a surrogate
// pair. Ours is held against the one of Python's tokenizers, character by character.
import { BertPreTokenizer, WordPiece, WordPieceDecoder } from "@huggingface/tokenizers";
import { sectionsOf, Tokenizer, type TokenizerFile } from "./tokenizer";

interface Template {
  SpecialToken?: { id: string };
}

interface Frame {
  type: string;
  /** TemplateProcessing */
  single?: Template[];
  special_tokens?: Record<string, { ids: number[] }>;
  /** RobertaProcessing */
  cls?: [string, number];
  sep?: [string, number];
}

interface WordPieceModel {
  type: string;
  vocab: Record<string, number>;
  unk_token: string;
  continuing_subword_prefix: string;
  max_input_chars_per_word: number;
}

interface BertNormalizer {
  type: string;
  clean_text: boolean;
  handle_chinese_chars: boolean;
  strip_accents: boolean | null;
  lowercase: boolean;
}

export interface EncoderTokenizerFile extends Omit<TokenizerFile, "model"> {
  model: WordPieceModel | TokenizerFile["model"];
  post_processor: Frame | null;
}

export interface EncoderTokenizer {
  /** Of each id: its text, with the mark of its tokenizer. */
  readonly tokens: readonly string[];
  /** Ids before and after a text. */
  readonly first: readonly number[];
  readonly last: readonly number[];
  /** Ids of a text without these. */
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
}

/** Ids before and after a single text. */
function frameOf({ post_processor: frame }: EncoderTokenizerFile): [first: number[], last: number[]] {
  if (frame?.type === "RobertaProcessing" && frame.cls && frame.sep) return [[frame.cls[1]], [frame.sep[1]]];
  if (frame?.type !== "TemplateProcessing" || !frame.single)
    throw new Error(
      `tokenizer: got the frame ${frame?.type}, wanted TemplateProcessing or RobertaProcessing`,
    );
  const parts = frame.single.map(({ SpecialToken }) =>
    SpecialToken ? frame.special_tokens![SpecialToken.id].ids : null,
  );
  const text = parts.indexOf(null);
  return [parts.slice(0, text).flatMap((ids) => ids!), parts.slice(text + 1).flatMap((ids) => ids!)];
}

export function tokenizerOf(file: EncoderTokenizerFile): EncoderTokenizer {
  const [first, last] = frameOf(file);
  if (file.model.type !== "WordPiece") {
    const own = new Tokenizer(file as TokenizerFile);
    return {
      tokens: own.tokens,
      first,
      last,
      encode: (text) => own.encode(text),
      decode: (ids) => own.decode(ids),
    };
  }
  const normalizer = file.normalizer as BertNormalizer | null;
  if (normalizer?.type !== "BertNormalizer" || file.pre_tokenizer?.type !== "BertPreTokenizer")
    throw new Error(
      `tokenizer: got WordPiece with ${normalizer?.type} and ${file.pre_tokenizer?.type}, ` +
        "wanted BertNormalizer and BertPreTokenizer",
    );
  const model = new WordPiece({ ...(file.model as WordPieceModel), type: "WordPiece" });
  const words = new BertPreTokenizer();
  const decoder = new WordPieceDecoder({ type: "WordPiece", prefix: "##", cleanup: true });
  const special = new Map(file.added_tokens.map(({ content, id }) => [content, id]));
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(file.model.vocab)) tokens[id] = token;
  return {
    tokens,
    first,
    last,
    encode: (text) =>
      sectionsOf(text, [...special.keys()]).flatMap((section) => {
        const id = special.get(section);
        if (id !== undefined) return [id];
        return model
          .encode(bertWords(section, normalizer, words))
          .map((token) => model.tokens_to_ids.get(token)!);
      }),
    decode: (ids) => decoder.decode(ids.map((id) => tokens[id])),
  };
}

const BLANKS = /^[\t\n\r]$/;
const DROPPED = /^[\0\ufffd\p{Cc}\p{Cf}\p{Co}\p{Cs}]$/u;
const BLANK = /^\p{White_Space}$/u;
/** The blocks that BERT calls Chinese characters; U+2B820 to 2B91F are missing there as well. */
const IDEOGRAPHS = [
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xf900, 0xfaff],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b81f],
  [0x2b920, 0x2ceaf],
  [0x2f800, 0x2fa1f],
];

function isIdeograph(letter: string): boolean {
  const code = letter.codePointAt(0)!;
  return IDEOGRAPHS.some(([low, high]) => code >= low && code <= high);
}

/**
 * BERT's normaliser as Python's tokenizers have it: control characters out, every blank a space, ideographs
 * between spaces, accents off, letters small one by one. Their tables end with Unicode 8, ours are the
 * browser's: a combining mark that came later stays there, and goes here.
 */
export function bertNormalise(text: string, how: BertNormalizer): string {
  let letters = Array.from(text);
  if (how.clean_text)
    letters = letters.flatMap((letter) =>
      BLANKS.test(letter) ? " " : DROPPED.test(letter) ? [] : BLANK.test(letter) ? " " : letter,
    );
  if (how.handle_chinese_chars)
    letters = letters.map((letter) => (isIdeograph(letter) ? ` ${letter} ` : letter));
  let found = letters.join("");
  if (how.strip_accents ?? how.lowercase) found = found.normalize("NFD").replace(/\p{Mn}/gu, "");
  return how.lowercase ? Array.from(found, (letter) => letter.toLowerCase()).join("") : found;
}

/** The words of a text, each punctuation mark one of its own. */
export function bertWords(text: string, how: BertNormalizer, words = new BertPreTokenizer()): string[] {
  return words.pre_tokenize(bertNormalise(text, how));
}

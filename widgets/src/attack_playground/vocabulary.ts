// The table of synonyms and the linear model's weights, as the lab's `attack_tables` packs them.
import type { Tensors } from "../reader/safetensors";
import type { BagOfWords } from "./linear";

/** Which senses of a word its synonyms may have. */
export const SENSES = ["common", "any"] as const;
export type Senses = (typeof SENSES)[number];

export interface Tables {
  linear: BagOfWords;
  /** What may stand for a word in lower case, the nearest first. */
  candidates(word: string, senses: Senses): string[];
}

/** Before a synonym that only a rare sense of the word has. */
const RARE = "~";
/** Synonyms of a word at most. */
const MOST = 8;

interface Words {
  /** Words of the linear model, in the order of its rows. */
  words: string;
  /** A line for each word. */
  synonyms: string;
}

export function unpack(given: unknown, tensors: Tensors): Tables {
  const { words, synonyms } = given as Words;
  const [weights, bias] = ["weights", "bias"].map((name) => {
    const found = tensors.get(name);
    if (!found) throw new Error(`tables: ${name} is missing`);
    return found.values;
  });
  const classes = bias.length;
  const rows = new Map<string, Float32Array>();
  words.split(" ").forEach((word, i) => {
    rows.set(word, weights.subarray(i * classes, (i + 1) * classes));
  });
  const lines = new Map<string, string>();
  for (const line of synonyms.split("\n")) {
    const end = line.indexOf(" ");
    lines.set(line.slice(0, end), line.slice(end + 1));
  }
  return {
    linear: { weights: rows, bias },
    candidates: (word, senses) => {
      const known = lines.get(word)?.split(" ") ?? [];
      const allowed =
        senses === "any"
          ? known.map((other) => (other.startsWith(RARE) ? other.slice(1) : other))
          : known.filter((other) => !other.startsWith(RARE));
      return allowed.slice(0, MOST);
    },
  };
}

// The classic script that a card adds when its reader asks for a new measurement: the model's arithmetic, and
// scripts with weights and texts, each loaded once.
import { fromBase64 } from "../../base/bytes";
import { addScript } from "../../base/scripts";
import { pickLanguage } from "../../base/strings";
import { loadModel } from "../../reader/checkpoints";
import type { Ledger } from "./ledger";
import { measure, type Shelf } from "./registry";

interface Texts {
  /** Streams of tokens, two bytes each, in base64. */
  streams: string[];
  /** Only where the model knows ledgers; their text is `streams[0]`. */
  ledger?: Omit<Ledger, "text">;
}

declare global {
  interface Window {
    /** Filled by frontier-texts-NAME.js. */
    frontierTexts?: Record<string, Texts>;
    /** Filled by this script. */
    frontierMeasure?: (name: string, seed: number, read: Read) => Promise<number[]>;
  }
}

export type Read = (done: number, count: number) => Promise<void>;

const strings = {
  zh: { noScript: (file: string) => `载入不了文件 ${file}。`, noKernel: "" },
  en: { noScript: (file: string) => `The file ${file} cannot be loaded.`, noKernel: "" },
}[pickLanguage(undefined)];

async function textsOf(name: string): Promise<Texts> {
  const file = `frontier-texts-${name}.js`;
  if (!window.frontierTexts?.[name])
    await addScript(file, window.frontierStatic).catch(() => {
      throw new Error(strings.noScript(file));
    });
  const found = window.frontierTexts?.[name];
  if (!found) throw new Error(strings.noScript(file));
  return found;
}

function tokens(text: string): Uint16Array {
  const { buffer, byteOffset, byteLength } = fromBase64(text);
  return new Uint16Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

const shelf: Shelf = {
  model: (name) => loadModel(name, null, strings),
  ledger: async (name) => {
    const { ledger, streams } = await textsOf(name);
    if (!ledger) throw new Error(`${name}: there is no ledger`);
    return { ...ledger, text: tokens(streams[0]) };
  },
  streams: async (name) => (await textsOf(name)).streams.map(tokens),
};

window.frontierMeasure = (name, seed, read) => measure(name, seed, shelf, read);

// The files that the figure asks for, as a page has them.
import bertConfig from "../../../src/frontier_lab/checkpoints/classifiers/bert/config.json";
import bertTokenizer from "../../../src/frontier_lab/checkpoints/classifiers/bert/tokenizer.json";
import bertWeights from "../../../src/frontier_lab/checkpoints/classifiers/bert/model.safetensors?inline";
import linearWeights from "../../../src/frontier_lab/figure_data/attack_tables.safetensors?inline";
import golden from "../golden/attacks.json";
import { unpack, type Tables } from "../../src/attack_playground/vocabulary";
import { fromBase64 } from "../../src/base/bytes";
import { TinyEncoder } from "../../src/reader/encoder";
import type { EncoderConfig } from "../../src/reader/encoder_weights";
import { readTensors } from "../../src/reader/safetensors";
import type { EncoderTokenizerFile } from "../../src/reader/word_piece";

const base64 = (url: string): string => url.slice(url.indexOf(",") + 1);
const bytes = (url: string): DataView => fromBase64(base64(url));

export const bert = (): TinyEncoder =>
  new TinyEncoder({
    config: bertConfig as EncoderConfig,
    tokenizer: bertTokenizer as EncoderTokenizerFile,
    weights: bytes(bertWeights),
  });

/** Words of the linear model, which stand in its file's header. */
function vocabulary(view: DataView): string {
  const header = Number(view.getBigUint64(0, true));
  const text = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + 8, header));
  return (JSON.parse(text) as { __metadata__: { words: string } }).__metadata__.words;
}

/** As the script has them, but with the synonyms of the tests' texts alone. */
const words = { words: vocabulary(bytes(linearWeights)), synonyms: golden.synonyms };

export const tables = (): Tables => unpack(words, readTensors(bytes(linearWeights)));

/** Let pages find them without a script. */
export function inPage(): void {
  window.frontierStatic = "file:///nowhere/";
  window.frontierCheckpoints = {
    "classifier-bert": { config: bertConfig, tokenizer: bertTokenizer, weights: base64(bertWeights) },
    "attack-tables": { config: words, tokenizer: undefined, weights: base64(linearWeights) },
  };
}

// The book's BERT-, RoBERTa- and DistilBERT-class sentence classifiers, run in the browser as model.ts runs
// its causal ones. Every token looks at every other; the first one's last state decides.
// widgets/tests/golden/tiny_encoder.json holds PyTorch's numbers.
import { affine, broughtLengths, erf, softmax, switchOff } from "./arithmetic";
import {
  sizesOf,
  weightsOf,
  type Affine,
  type EncoderConfig,
  type EncoderWeights,
  type Sizes,
} from "./encoder_weights";
import { readTensors, type Tensors } from "./safetensors";
import { tokenizerOf, type EncoderTokenizer, type EncoderTokenizerFile } from "./word_piece";

/** Files of a classifier as they come with the page. */
export interface EncoderCheckpoint {
  config: EncoderConfig;
  tokenizer: EncoderTokenizerFile;
  /** Bytes of model.safetensors. */
  weights: DataView;
}

export interface EncoderPass {
  ids: number[];
  /** Scores of the classes before softmax, [C]. */
  logits: Float32Array;
  /** Attention probabilities of each layer, [H · T · T]. */
  attentions: Float32Array[];
  /** What each layer's tokens bring to those that look at them, [T · D]. */
  values: Float32Array[];
}

/** A head whose result is zero or its mean over the tokens that are read. */
export interface HeadOff {
  layer: number;
  head: number;
  kind: "zero" | "mean";
}

export class TinyEncoder {
  readonly config: EncoderConfig;
  readonly tokenizer: EncoderTokenizer;
  /** Names of the classes in the order of the scores. */
  readonly labels: string[];
  readonly parameters: number;
  readonly #sizes: Sizes;
  readonly #weights: EncoderWeights;

  constructor({ config, tokenizer, weights }: EncoderCheckpoint) {
    this.config = config;
    this.#sizes = sizesOf(config);
    const tensors: Tensors = readTensors(weights);
    this.#weights = weightsOf(config, this.#sizes, tensors);
    this.parameters = this.#weights.parameters;
    this.labels = Object.keys(config.id2label).map((_, i) => config.id2label[i]);
    this.tokenizer = tokenizerOf(tokenizer);
  }

  get layers(): number {
    return this.#sizes.layers;
  }

  get heads(): number {
    return this.#sizes.heads;
  }

  /** Tokens that may be read, the two of the frame among them. */
  get longest(): number {
    return this.#sizes.longest;
  }

  /** Ids of a text in its frame, [CLS] … [SEP]; what is too long is cut at the end, as the library does. */
  encode(text: string): number[] {
    const { first, last } = this.tokenizer;
    const room = this.longest - first.length - last.length;
    return [...first, ...this.tokenizer.encode(text).slice(0, room), ...last];
  }

  /** Tokens of a text in its frame, those among them that are too many. */
  tokens(text: string): number {
    const { first, last } = this.tokenizer;
    return first.length + this.tokenizer.encode(text).length + last.length;
  }

  /** Read tokens, frame and all, `longest` at most; a head may be switched off. */
  forward(ids: readonly number[], off?: HeadOff): EncoderPass {
    return this.#read(ids, true, off);
  }

  /**
   * Scores of the classes alone, [C], for many texts in a row: in the last layer nothing
   * but keys and values is computed of the tokens after the first.
   */
  classify(ids: readonly number[]): Float32Array {
    return this.#read(ids, false).logits;
  }

  /** Probabilities of the classes of a text. */
  probabilities(text: string): Float64Array {
    return softmax(this.classify(this.encode(text)));
  }

  /** Length of every value after its head's part of the output projection, of each layer [H · T]. */
  valueNorms({ values }: EncoderPass): Float32Array[] {
    const { heads, width } = this.#sizes;
    return this.#weights.layers.map(({ output }, l) =>
      broughtLengths(output.weight, values[l], { heads, shared: heads, width: width / heads }),
    );
  }

  #read(ids: readonly number[], whole: boolean, off?: HeadOff): EncoderPass {
    const { width: D, padding, longest, epsilon, layers } = this.#sizes;
    const { words, positions, type, embedded, pooler, pooled, classifier } = this.#weights;
    const V = this.config.vocab_size;
    const T = ids.length;
    if (T < 1 || T > longest) throw new Error(`ids: got ${T} tokens, wanted 1 to ${longest}`);
    const wrong = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < V));
    if (wrong !== undefined) throw new Error(`ids: got ${wrong}, wanted integers from 0 to ${V - 1}`);
    let x: Float32Array = new Float32Array(T * D);
    let next = padding === null ? 0 : padding + 1;
    ids.forEach((id, t) => {
      const position = id === padding ? padding : next++;
      for (let i = 0; i < D; i++)
        x[t * D + i] = words[id * D + i] + positions[position * D + i] + (type?.[i] ?? 0);
    });
    normalise(x, embedded, epsilon);
    const attentions: Float32Array[] = [];
    const values: Float32Array[] = [];
    for (let l = 0; l < layers; l++) {
      const rows = whole || l < layers - 1 ? T : 1;
      x = this.#layer(l, x, rows, attentions, values, off?.layer === l ? off : undefined);
    }
    const first = affine(pooler.weight, pooler.bias, x, D, 1).map(pooled);
    return {
      ids: [...ids],
      logits: affine(classifier.weight, classifier.bias, first, D, 1),
      attentions,
      values,
    };
  }

  /** States after a layer, [rows · D], of the first `rows` tokens of x [T · D]. */
  #layer(
    l: number,
    x: Float32Array,
    rows: number,
    attentions: Float32Array[],
    allValues: Float32Array[],
    off?: HeadOff,
  ): Float32Array {
    const { width: D, inner, heads: H, epsilon } = this.#sizes;
    const layer = this.#weights.layers[l];
    const T = x.length / D;
    const width = D / H;
    const query = affine(layer.query.weight, layer.query.bias, x, D, rows); // [rows · D]
    const keys = affine(layer.key.weight, layer.key.bias, x, D);
    const values = affine(layer.value.weight, layer.value.bias, x, D);
    const probabilities = new Float32Array(H * rows * T);
    const mixed = new Float32Array(rows * D);
    const scores = new Float64Array(T);
    for (let head = 0; head < H; head++) {
      const at = head * width;
      for (let t = 0; t < rows; t++) {
        for (let s = 0; s < T; s++) {
          let dot = 0;
          for (let i = 0; i < width; i++) dot += query[t * D + at + i] * keys[s * D + at + i];
          scores[s] = dot / Math.sqrt(width);
        }
        const p = softmax(scores);
        probabilities.set(p, (head * rows + t) * T);
        for (let s = 0; s < T; s++)
          for (let i = 0; i < width; i++) mixed[t * D + at + i] += p[s] * values[s * D + at + i];
      }
    }
    if (off) switchOff(mixed, H, width, off);
    attentions.push(probabilities);
    allValues.push(values);
    const y = affine(layer.output.weight, layer.output.bias, mixed, D);
    for (let i = 0; i < y.length; i++) y[i] += x[i];
    normalise(y, layer.afterAttention, epsilon);
    const up = affine(layer.up.weight, layer.up.bias, y, D).map(gelu);
    const z = affine(layer.down.weight, layer.down.bias, up, inner);
    for (let i = 0; i < z.length; i++) z[i] += y[i];
    normalise(z, layer.afterNetwork, epsilon);
    return z;
  }
}

const gelu = (x: number): number => (x / 2) * (1 + erf(x * Math.SQRT1_2));

/** LayerNorm of every vector in x [T · D], in place. */
function normalise(x: Float32Array, { weight, bias }: Affine, epsilon: number): void {
  const D = weight.length;
  for (let start = 0; start < x.length; start += D) {
    let mean = 0;
    for (let i = 0; i < D; i++) mean += x[start + i] / D;
    let variance = 0;
    for (let i = 0; i < D; i++) variance += (x[start + i] - mean) ** 2 / D;
    const scale = 1 / Math.sqrt(variance + epsilon);
    for (let i = 0; i < D; i++) x[start + i] = weight[i] * (x[start + i] - mean) * scale + bias[i];
  }
}

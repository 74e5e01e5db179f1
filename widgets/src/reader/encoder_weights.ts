// Where BERT, RoBERTa and DistilBERT keep the same parts: sizes under their names in config.json, and weights
// under their names in model.safetensors. The one place that knows these names.
import type { Tensors } from "./safetensors";

/** What the three classes say of themselves, each under names of its own. */
export interface EncoderConfig {
  model_type: string;
  id2label: Record<string, string>;
  vocab_size: number;
  max_position_embeddings: number;
  /** Bert, Roberta */
  hidden_size?: number;
  intermediate_size?: number;
  num_hidden_layers?: number;
  num_attention_heads?: number;
  hidden_act?: string;
  layer_norm_eps?: number;
  type_vocab_size?: number;
  is_decoder?: boolean;
  /** DistilBert */
  dim?: number;
  hidden_dim?: number;
  n_layers?: number;
  n_heads?: number;
  activation?: string;
  pad_token_id?: number | null;
}

export interface Sizes {
  width: number;
  inner: number;
  layers: number;
  heads: number;
  epsilon: number;
  /** Sorts of texts that a token can belong to, 0 where the class has none. */
  types: number;
  /**
   * The padding id where positions are counted from it on, and padding itself is not counted (RoBERTa); null
   * where they are counted from 0.
   */
  padding: number | null;
  /** Tokens that may be read. */
  longest: number;
}

/** A matrix and its bias, or scale and shift of a normalisation. */
export interface Affine {
  weight: Float32Array; // [rows · columns], or [D]
  bias: Float32Array; // [rows], or [D]
}

export interface EncoderLayer {
  query: Affine;
  key: Affine;
  value: Affine;
  output: Affine;
  afterAttention: Affine;
  up: Affine;
  down: Affine;
  afterNetwork: Affine;
}

export interface EncoderWeights {
  words: Float32Array; // [V · D]
  positions: Float32Array; // [P · D]
  /** Embedding of the first sort of text, the only one that is read; null where the class has none. */
  type: Float32Array | null; // [D]
  embedded: Affine;
  layers: EncoderLayer[];
  /** From the first token's state to what the classes are scored by, and its activation. */
  pooler: Affine;
  pooled(x: number): number;
  classifier: Affine;
  /** Numbers in all tensors. */
  parameters: number;
}

interface Names {
  prefix: string;
  layer: string;
  query: string;
  key: string;
  value: string;
  output: string;
  afterAttention: string;
  up: string;
  down: string;
  afterNetwork: string;
  pooler: string;
  classifier: string;
}

const KINDS = ["bert", "roberta", "distilbert"];

/** A function and no table, so that bundles which read no encoder are without it. */
function namesOf(kind: string): Names {
  if (kind === "distilbert")
    return {
      prefix: kind,
      layer: "transformer.layer",
      query: "attention.q_lin",
      key: "attention.k_lin",
      value: "attention.v_lin",
      output: "attention.out_lin",
      afterAttention: "sa_layer_norm",
      up: "ffn.lin1",
      down: "ffn.lin2",
      afterNetwork: "output_layer_norm",
      pooler: "pre_classifier",
      classifier: "classifier",
    };
  return {
    prefix: kind,
    layer: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    afterAttention: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    afterNetwork: "output.LayerNorm",
    pooler: kind === "roberta" ? "classifier.dense" : "bert.pooler.dense",
    classifier: kind === "roberta" ? "classifier.out_proj" : "classifier",
  };
}

/** Sizes by a config.json; what it asks for beyond them would be computed wrongly without a word. */
export function sizesOf(config: EncoderConfig): Sizes {
  const { model_type: kind } = config;
  if (!KINDS.includes(kind))
    throw new Error(`config: model_type is ${kind}, wanted one of ${KINDS.join(", ")}`);
  const distilled = kind === "distilbert";
  const activation = distilled ? config.activation : config.hidden_act;
  if (activation !== "gelu" || config.is_decoder)
    throw new Error(`config: wanted exact GELU and no decoder, got ${activation}`);
  const [width, inner, layers, heads] = distilled
    ? [config.dim, config.hidden_dim, config.n_layers, config.n_heads]
    : [config.hidden_size, config.intermediate_size, config.num_hidden_layers, config.num_attention_heads];
  if (!width || !inner || !layers || !heads) throw new Error("config: a size is missing");
  const padding = kind === "roberta" ? (config.pad_token_id ?? 1) : null;
  return {
    width,
    inner,
    layers,
    heads,
    epsilon: config.layer_norm_eps ?? 1e-12,
    types: distilled ? 0 : (config.type_vocab_size ?? 2),
    padding,
    longest: config.max_position_embeddings - (padding === null ? 0 : padding + 1),
  };
}

export function weightsOf(config: EncoderConfig, sizes: Sizes, tensors: Tensors): EncoderWeights {
  const names = namesOf(config.model_type);
  const { width: D, inner: F } = sizes;
  const labels = Object.keys(config.id2label).length;
  const left = new Set(tensors.keys());
  let parameters = 0;
  const take = (name: string, ...shape: number[]): Float32Array => {
    const tensor = tensors.get(name);
    if (tensor?.shape.join() !== shape.join())
      throw new Error(`weights: ${name} is [${tensor?.shape.join() ?? "missing"}], wanted [${shape.join()}]`);
    left.delete(name);
    parameters += tensor.values.length;
    return tensor.values;
  };
  const affine = (name: string, ...shape: number[]): Affine => ({
    weight: take(`${name}.weight`, ...shape),
    bias: take(`${name}.bias`, shape[0]),
  });
  const embeddings = `${names.prefix}.embeddings`;
  const found = {
    words: take(`${embeddings}.word_embeddings.weight`, config.vocab_size, D),
    positions: take(`${embeddings}.position_embeddings.weight`, config.max_position_embeddings, D),
    type: sizes.types
      ? take(`${embeddings}.token_type_embeddings.weight`, sizes.types, D).subarray(0, D)
      : null,
    embedded: affine(`${embeddings}.LayerNorm`, D),
    layers: Array.from({ length: sizes.layers }, (_, l) => {
      const at = `${names.prefix}.${names.layer}.${l}`;
      return {
        query: affine(`${at}.${names.query}`, D, D),
        key: affine(`${at}.${names.key}`, D, D),
        value: affine(`${at}.${names.value}`, D, D),
        output: affine(`${at}.${names.output}`, D, D),
        afterAttention: affine(`${at}.${names.afterAttention}`, D),
        up: affine(`${at}.${names.up}`, F, D),
        down: affine(`${at}.${names.down}`, D, F),
        afterNetwork: affine(`${at}.${names.afterNetwork}`, D),
      };
    }),
    pooler: affine(names.pooler, D, D),
    pooled: config.model_type === "distilbert" ? (x: number) => Math.max(0, x) : Math.tanh,
    classifier: affine(names.classifier, labels, D),
  };
  if (left.size) throw new Error(`weights: config does not name ${[...left].join(", ")}`);
  return { ...found, parameters };
}

// What goes into a model in the page and what comes out: files of a checkpoint, positions, one reading.
import type { TokenizerFile } from "./tokenizer";

export interface Config {
  model_type: string;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number | null;
  num_local_experts?: number;
  num_experts_per_tok?: number;
  rms_norm_eps: number;
  rope_parameters: { rope_theta: number; rope_type: string };
  max_position_embeddings: number;
  vocab_size: number;
  tie_word_embeddings: boolean;
  sliding_window?: number | null;
}

/** Files of a checkpoint as they come with the page. */
export interface Checkpoint {
  config: Config;
  tokenizer: TokenizerFile;
  /** Bytes of model.safetensors. */
  weights: DataView;
}

export interface Pass {
  ids: number[];
  /** Next-token scores of every position, [T · V]. */
  logits: Float32Array;
  /** Router scores before softmax of each layer, [T · E]; none for a dense model. */
  routers: Float32Array[];
  /** Attention probabilities of each layer, [H · T · T], zero above the diagonal. */
  attentions: Float32Array[];
  /** What each layer's tokens bring to those that look at them, [T · KV heads · head width]. */
  values: Float32Array[];
}

/** Positions other than those that the model was trained with. */
export interface Rope {
  /** Radians a token by which each pair turns, [head width / 2]. */
  frequencies: Float64Array;
  /** What queries and keys are multiplied by. */
  temperature: number;
  /** Tokens that may be read. */
  longest: number;
}

/**
 * An expert that no token may choose, or a head whose
 * result is zero or its mean over the tokens that are read.
 */
export type Off = { layer: number; expert: number } | { layer: number; head: number; kind: "zero" | "mean" };

/** Matrices of a feed-forward network. */
export interface Expert {
  gate: Float32Array; // [F · D]
  up: Float32Array; // [F · D]
  down: Float32Array; // [D · F]
}

/** Weights of a layer; a dense one has one expert and no router. */
export interface Layer {
  before: Float32Array; // [D]
  after: Float32Array; // [D]
  query: Float32Array; // [H·dh · D]
  key: Float32Array; // [KV·dh · D]
  value: Float32Array; // [KV·dh · D]
  output: Float32Array; // [D · H·dh]
  router: Float32Array | null; // [E · D]
  experts: Expert[];
}

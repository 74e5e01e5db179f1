// The book's Llama- and Mixtral-class checkpoints, run in the browser: weights of a safetensors file, no
// kernel, no network. Written by hand because general runtimes (ONNX, transformers.js) are WebAssembly of
// many megabytes that a page on file:// cannot load, and show neither router logits nor attentions.
// widgets/tests/golden/tiny_model.json holds PyTorch's numbers.
import { draws } from "../base/draws";
import { broughtLengths, drawFrom, largest, product, softmax, switchOff } from "./arithmetic";
import type { Checkpoint, Config, Expert, Layer, Off, Pass, Rope } from "./formats";
import { readTensors, type Tensors } from "./safetensors";
import { Tokenizer } from "./tokenizer";

export type { Checkpoint, Config, Off, Pass, Rope } from "./formats";

/**
 * Keys and values of the tokens read so far, one array for each layer, [positions · KV heads · head width].
 */
interface Cache {
  keys: Float32Array[];
  values: Float32Array[];
  length: number;
}

export class TinyModel {
  readonly config: Config;
  readonly tokenizer: Tokenizer;
  /** All weights by name; what is written into them is what the model computes with. */
  readonly tensors: Tensors;
  readonly parameters: number;
  readonly #width: number;
  readonly #head: number;
  readonly #embedding: Float32Array; // [V · D]
  readonly #norm: Float32Array; // [D]
  readonly #layers: Layer[];
  readonly #rope: Rope;

  constructor(from: Checkpoint | Pick<TinyModel, "config" | "tokenizer" | "tensors">) {
    const { config } = from;
    if (!["llama", "mixtral"].includes(config.model_type))
      throw new Error(`config: model_type is ${config.model_type}, wanted llama or mixtral`);
    if (
      config.rope_parameters.rope_type !== "default" ||
      !config.tie_word_embeddings ||
      config.sliding_window
    ) {
      throw new Error("config: wanted plain RoPE, tied embeddings and no sliding window");
    }
    this.config = config;
    this.tokenizer = "tensors" in from ? from.tokenizer : new Tokenizer(from.tokenizer);
    this.#width = config.hidden_size;
    this.#head = config.head_dim ?? config.hidden_size / config.num_attention_heads;
    const tensors = "tensors" in from ? from.tensors : readTensors(from.weights);
    this.tensors = tensors;
    let read = 0;
    const take = (name: string, ...shape: number[]): Float32Array => {
      const tensor = tensors.get(name);
      if (tensor?.shape.join() !== shape.join())
        throw new Error(
          `weights: ${name} is [${tensor?.shape.join() ?? "missing"}], wanted [${shape.join()}]`,
        );
      read += tensor.values.length;
      return tensor.values;
    };
    const D = this.#width;
    const F = config.intermediate_size;
    const E = config.num_local_experts ?? 0;
    const inner = config.num_attention_heads * this.#head;
    const shared = config.num_key_value_heads * this.#head;
    this.#embedding = take("model.embed_tokens.weight", config.vocab_size, D);
    this.#norm = take("model.norm.weight", D);
    this.#layers = Array.from({ length: config.num_hidden_layers }, (_, l) => {
      const at = `model.layers.${l}`;
      const expert = (gate: string, up: string, down: string): Expert => ({
        gate: take(`${at}.${gate}.weight`, F, D),
        up: take(`${at}.${up}.weight`, F, D),
        down: take(`${at}.${down}.weight`, D, F),
      });
      const moe = "block_sparse_moe";
      return {
        before: take(`${at}.input_layernorm.weight`, D),
        after: take(`${at}.post_attention_layernorm.weight`, D),
        query: take(`${at}.self_attn.q_proj.weight`, inner, D),
        key: take(`${at}.self_attn.k_proj.weight`, shared, D),
        value: take(`${at}.self_attn.v_proj.weight`, shared, D),
        output: take(`${at}.self_attn.o_proj.weight`, D, inner),
        router: E ? take(`${at}.${moe}.gate.weight`, E, D) : null,
        experts: E
          ? Array.from({ length: E }, (_, e) =>
              expert(`${moe}.experts.${e}.w1`, `${moe}.experts.${e}.w3`, `${moe}.experts.${e}.w2`),
            )
          : [expert("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")],
      };
    });
    this.parameters = read;
    if (tensors.size !== 2 + config.num_hidden_layers * (6 + (E ? 1 + 3 * E : 3)))
      throw new Error(`weights: ${tensors.size} tensors, some of which config does not name`);
    const { rope_theta: base } = config.rope_parameters;
    this.#rope = {
      frequencies: Float64Array.from({ length: this.#head / 2 }, (_, i) => base ** ((-2 * i) / this.#head)),
      temperature: 1,
      longest: config.max_position_embeddings,
    };
  }

  /** The same model with other weights of the same names and shapes. */
  withWeights(tensors: Tensors): TinyModel {
    return new TinyModel({ config: this.config, tokenizer: this.tokenizer, tensors });
  }

  get layers(): number {
    return this.config.num_hidden_layers;
  }

  get experts(): number {
    return this.config.num_local_experts ?? 0;
  }

  /**
   * Read the tokens at once, `max_position_embeddings` at most;
   * with an expert switched off the others share its tokens.
   */
  forward(ids: readonly number[], off?: Off): Pass {
    return this.#read(ids, this.#cache(ids.length), off);
  }

  /**
   * Next-token scores after the last token alone, [V], a fraction of the work of `forward`: in the last
   * layer nothing but keys and values is computed of the others.
   */
  last(ids: readonly number[], rope: Rope = this.#rope): Float32Array {
    return this.tail(ids, ids.length - 1, rope);
  }

  /** As `last`, after each token from place `from` on, [T - from, V]. */
  tail(ids: readonly number[], from: number, rope: Rope = this.#rope): Float32Array {
    return this.#read(ids, this.#cache(ids.length), undefined, rope, from).logits;
  }

  /** Width of a head, which a `Rope` has to fit. */
  get headWidth(): number {
    return this.#head;
  }

  /** Mean next-token cross-entropy in nats; NaN for a single token. */
  loss({ ids, logits }: Pass): number {
    const V = this.config.vocab_size;
    let sum = 0;
    for (let t = 0; t + 1 < ids.length; t++) sum -= Math.log(softmax(logits, t * V, V)[ids[t + 1]]);
    return sum / (ids.length - 1);
  }

  /**
   * `count` further tokens, as far as there is room, drawn at a
   * temperature from the `topK` most probable; never the end token.
   */
  generate(ids: readonly number[], count: number, { temperature = 0.8, topK = 40, seed = 0 } = {}): number[] {
    const draw = draws(seed, 0);
    const room = Math.min(count, this.#rope.longest - ids.length);
    const cache = this.#cache(ids.length + Math.max(0, room));
    const end = this.tokenizer.end;
    const found: number[] = [];
    let next = ids;
    while (found.length < room) {
      const { logits } = this.#read(next, cache);
      const last = logits.subarray(logits.length - this.config.vocab_size);
      if (end >= 0) last[end] = -Infinity;
      const best = largest(last, topK);
      const p = softmax(
        best.map((id) => last[id]),
        0,
        best.length,
        temperature,
      );
      const id = best[drawFrom(p, draw())];
      found.push(id);
      next = [id];
    }
    return found;
  }

  /** The likeliest tokens one after the other, `most` of them, up to the end token, which is left out. */
  greedy(ids: readonly number[], most: number): number[] {
    const room = Math.min(most, this.#rope.longest - ids.length);
    const cache = this.#cache(ids.length + Math.max(0, room));
    const found: number[] = [];
    let next = ids;
    while (found.length < room) {
      const [id] = largest(this.#read(next, cache, undefined, this.#rope, next.length - 1).logits, 1);
      if (id === this.tokenizer.end) break;
      found.push(id);
      next = [id];
    }
    return found;
  }

  #cache(positions: number): Cache {
    const size = positions * this.config.num_key_value_heads * this.#head;
    const room = (): Float32Array[] => this.#layers.map(() => new Float32Array(size));
    return { keys: room(), values: room(), length: 0 };
  }

  #read(ids: readonly number[], cache: Cache, off?: Off, rope = this.#rope, from = 0): Pass {
    const D = this.#width;
    const { vocab_size: V } = this.config;
    const T = ids.length;
    const past = cache.length;
    if (past + T > rope.longest)
      throw new Error(`ids: got ${past + T} tokens, wanted ${rope.longest} at most`);
    const wrong = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < V));
    if (wrong !== undefined) throw new Error(`ids: got ${wrong}, wanted integers from 0 to ${V - 1}`);
    const x = new Float32Array(T * D);
    ids.forEach((id, t) => x.set(this.#embedding.subarray(id * D, (id + 1) * D), t * D));
    const routers: Float32Array[] = [];
    const attentions: Float32Array[] = [];
    this.#layers.forEach((layer, l) => {
      const here = off?.layer === l ? off : undefined;
      const first = l === this.layers - 1 ? from : 0;
      attentions.push(
        this.#attend(
          layer,
          x,
          T,
          past,
          cache.keys[l],
          cache.values[l],
          rope,
          first,
          here && "head" in here ? here : undefined,
        ),
      );
      const scores = this.#mix(layer, x, T, first, here && "expert" in here ? here.expert : -1);
      if (scores) routers.push(scores);
    });
    cache.length += T;
    const normed = this.#normalise(x, this.#norm);
    const logits = new Float32Array((T - from) * V);
    for (let t = from; t < T; t++) product(this.#embedding, normed, t * D, D, logits, (t - from) * V);
    return { ids: [...ids], logits, routers, attentions, values: cache.values };
  }

  #normalise(x: Float32Array, weight: Float32Array): Float32Array {
    const D = this.#width;
    const y = new Float32Array(x.length);
    for (let start = 0; start < x.length; start += D) {
      let sum = 0;
      for (let i = 0; i < D; i++) sum += x[start + i] ** 2;
      const scale = 1 / Math.sqrt(sum / D + this.config.rms_norm_eps);
      for (let i = 0; i < D; i++) y[start + i] = weight[i] * x[start + i] * scale;
    }
    return y;
  }

  /** Turns the pairs (i, i + dh/2) of each head by position · frequency, in place. */
  #rotate(
    x: Float32Array,
    start: number,
    heads: number,
    position: number,
    { frequencies, temperature }: Rope,
  ): void {
    const pairs = frequencies.length;
    for (let i = 0; i < pairs; i++) {
      const cos = temperature * Math.cos(position * frequencies[i]);
      const sin = temperature * Math.sin(position * frequencies[i]);
      for (let head = 0; head < heads; head++) {
        const at = start + head * this.#head + i;
        const [a, b] = [x[at], x[at + pairs]];
        x[at] = a * cos - b * sin;
        x[at + pairs] = b * cos + a * sin;
      }
    }
  }

  /** Length of every value after its head's part of the output projection, of each layer [H · T]. */
  valueNorms({ values }: Pass): Float32Array[] {
    const { num_attention_heads: heads, num_key_value_heads: shared } = this.config;
    return this.#layers.map(({ output }, l) =>
      broughtLengths(output, values[l], { heads, shared, width: this.#head }),
    );
  }

  #attend(
    layer: Layer,
    x: Float32Array,
    T: number,
    past: number,
    keys: Float32Array,
    values: Float32Array,
    rope: Rope,
    first: number,
    off?: { head: number; kind: "zero" | "mean" },
  ): Float32Array {
    const D = this.#width;
    const { num_attention_heads: H, num_key_value_heads: KV } = this.config;
    const width = this.#head;
    const row = KV * width;
    const normed = this.#normalise(x, layer.before);
    const probabilities = new Float32Array(H * T * (past + T));
    const query = new Float32Array(H * width);
    const mixed = new Float32Array(T * H * width);
    const added = new Float32Array(D);
    for (let t = 0; t < T; t++) {
      const position = past + t;
      product(layer.key, normed, t * D, D, keys, position * row);
      product(layer.value, normed, t * D, D, values, position * row);
      this.#rotate(keys, position * row, KV, position, rope);
      if (t < first) continue;
      product(layer.query, normed, t * D, D, query);
      this.#rotate(query, 0, H, position, rope);
      for (let head = 0; head < H; head++) {
        const group = Math.floor(head / (H / KV)) * width;
        const scores = new Float64Array(position + 1);
        for (let s = 0; s <= position; s++) {
          let dot = 0;
          for (let i = 0; i < width; i++) dot += query[head * width + i] * keys[s * row + group + i];
          scores[s] = dot / Math.sqrt(width);
        }
        const p = softmax(scores);
        probabilities.set(p, (head * T + t) * (past + T));
        for (let s = 0; s <= position; s++)
          for (let i = 0; i < width; i++)
            mixed[(t * H + head) * width + i] += p[s] * values[s * row + group + i];
      }
    }
    if (off) switchOff(mixed, H, width, off);
    for (let t = first; t < T; t++) {
      product(layer.output, mixed, t * H * width, H * width, added);
      for (let i = 0; i < D; i++) x[t * D + i] += added[i];
    }
    return probabilities;
  }

  /** Adds the network's answer, a mixture of experts or a dense one, and returns the router's scores. */
  #mix(layer: Layer, x: Float32Array, T: number, first: number, off: number): Float32Array | null {
    const D = this.#width;
    const F = this.config.intermediate_size;
    const E = this.experts;
    const normed = this.#normalise(x, layer.after);
    const scores = layer.router && new Float32Array(T * E);
    const gate = new Float32Array(F);
    const up = new Float32Array(F);
    const out = new Float32Array(D);
    for (let t = first; t < T; t++) {
      let chosen = [0];
      let weights = [1];
      if (layer.router && scores) {
        product(layer.router, normed, t * D, D, scores, t * E);
        const p = softmax(scores, t * E, E);
        if (off >= 0) p[off] = -1; // chosen last, and there are more experts than choices
        chosen = largest(p, this.config.num_experts_per_tok ?? 1);
        const mass = chosen.reduce((sum, e) => sum + p[e], 0);
        weights = chosen.map((e) => p[e] / mass);
      }
      chosen.forEach((e, rank) => {
        const expert = layer.experts[e];
        product(expert.gate, normed, t * D, D, gate);
        product(expert.up, normed, t * D, D, up);
        for (let i = 0; i < F; i++) gate[i] *= up[i] / (1 + Math.exp(-gate[i])); // SwiGLU
        product(expert.down, gate, 0, F, out);
        for (let i = 0; i < D; i++) x[t * D + i] += weights[rank] * out[i];
      });
    }
    return scores;
  }
}

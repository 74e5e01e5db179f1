// Reads the bytes of attention_pattern_analyzer/packing.py: a
// byte a weight, and of long texts only the largest of each row.

export interface Shape {
  layers: number;
  heads: number;
  /** Tokens that look, and tokens that are looked at. */
  length: number;
  size: number;
}

/** Every head's weights, decoded only where they are looked at. */
export interface PackedWeights extends Shape {
  /** Calls back with column and weight (0 to 1) of each weight of a row that is not zero. */
  row(layer: number, head: number, token: number, each: (column: number, weight: number) => void): void;
  /** One head's weights, [T · S]. */
  matrix(layer: number, head: number): Float32Array;
}

function whole(shape: Shape, row: PackedWeights["row"]): PackedWeights {
  return {
    ...shape,
    row,
    matrix: (layer, head) => {
      const found = new Float32Array(shape.length * shape.size);
      for (let t = 0; t < shape.length; t++)
        row(layer, head, t, (s, weight) => (found[t * shape.size + s] = weight));
      return found;
    },
  };
}

/** Weights that were computed in the page: of each layer [H · T · S]. */
export function ofArrays(layers: readonly ArrayLike<number>[], shape: Shape): PackedWeights {
  const { length, size } = shape;
  return whole(shape, (layer, head, token, each) => {
    const start = (head * length + token) * size;
    for (let s = 0; s < size; s++) if (layers[layer][start + s] > 0) each(s, layers[layer][start + s]);
  });
}

export function unpack(form: string, causal: boolean, bytes: DataView, shape: Shape): PackedWeights {
  const { layers, heads, length, size } = shape;
  const rows = layers * heads * length;
  const wrong = (wanted: number): Error => {
    const of = [layers, heads, length, size].join(", ");
    return new Error(`attention has ${bytes.byteLength} bytes, and ${form} weights [${of}] need ${wanted}`);
  };
  if (form === "dense") {
    const cells = causal ? (length * (length + 1)) / 2 : length * size;
    if (bytes.byteLength !== layers * heads * cells) throw wrong(layers * heads * cells);
    return whole(shape, (layer, head, token, each) => {
      const start = (layer * heads + head) * cells + (causal ? (token * (token + 1)) / 2 : token * size);
      const end = causal ? token + 1 : size;
      for (let s = 0; s < end; s++) {
        const value = bytes.getUint8(start + s);
        if (value) each(s, value / 255);
      }
    });
  }
  if (form !== "sparse") throw new Error(`form is ${form}, wanted dense or sparse`);
  if (bytes.byteLength < rows) throw wrong(rows);
  const starts = new Uint32Array(rows + 1);
  for (let i = 0; i < rows; i++) starts[i + 1] = starts[i] + bytes.getUint8(i);
  const entries = starts[rows];
  if (bytes.byteLength !== rows + 3 * entries) throw wrong(rows + 3 * entries);
  return whole(shape, (layer, head, token, each) => {
    const row = (layer * heads + head) * length + token;
    for (let i = starts[row]; i < starts[row + 1]; i++)
      each(bytes.getUint16(rows + 2 * i, true), bytes.getUint8(rows + 2 * entries + i) / 255);
  });
}

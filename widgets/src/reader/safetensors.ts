// Tensors of a safetensors file: half precision, as the committed checkpoints have them, and what packed task
// vectors need.

export interface Tensor {
  shape: number[];
  values: Float32Array;
}

export type Tensors = Map<string, Tensor>;

function half(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction
          ? NaN
          : Infinity
        : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

/** Bytes of a number, and how it is read. */
const KINDS: Record<string, [bytes: number, read: (view: DataView, at: number) => number]> = {
  F16: [2, (view, at) => half(view.getUint16(at, true))],
  F32: [4, (view, at) => view.getFloat32(at, true)],
  I8: [1, (view, at) => view.getInt8(at)],
};

/** Tensors of a safetensors file as float32. */
export function readTensors(view: DataView): Tensors {
  const header = Number(view.getBigUint64(0, true));
  const text = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + 8, header));
  const entries = JSON.parse(text) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors: Tensors = new Map();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(entries)) {
    if (name === "__metadata__") continue;
    const kind = KINDS[dtype];
    if (!kind) throw new Error(`weights: ${name} is ${dtype}, wanted ${Object.keys(KINDS).join(", ")}`);
    const [bytes, read] = kind;
    const start = 8 + header + data_offsets[0];
    const values = new Float32Array((data_offsets[1] - data_offsets[0]) / bytes);
    for (let i = 0; i < values.length; i++) values[i] = read(view, start + bytes * i);
    tensors.set(name, { shape, values });
  }
  return tensors;
}

// Tensors of a safetensors file in half precision, as the committed checkpoints have them.

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

/** Tensors of a safetensors file as float32. */
export function readTensors(view: DataView): Map<string, { shape: number[]; values: Float32Array }> {
  const header = Number(view.getBigUint64(0, true));
  const text = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + 8, header));
  const entries = JSON.parse(text) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(entries)) {
    if (name === "__metadata__") continue;
    if (dtype !== "F16") throw new Error(`weights: ${name} is ${dtype}, wanted F16`);
    const start = 8 + header + data_offsets[0];
    const values = new Float32Array((data_offsets[1] - data_offsets[0]) / 2);
    for (let i = 0; i < values.length; i++) values[i] = half(view.getUint16(start + 2 * i, true));
    tensors.set(name, { shape, values });
  }
  return tensors;
}

// Binary traits arrive as DataView; saved states and data sets carry them as text.

export function fromBase64(text: string): DataView {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new DataView(bytes.buffer);
}

export function fromHex(text: string): DataView {
  if (text.length % 2 || /[^0-9a-f]/i.test(text))
    throw new Error("a hex buffer has an odd length or a character that is not hexadecimal");
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return new DataView(bytes.buffer);
}

/** Little-endian float32 values of a view, wherever it starts in its buffer. */
export function float32(view: DataView): Float32Array {
  const values = new Float32Array(view.byteLength >> 2);
  for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(4 * i, true);
  return values;
}

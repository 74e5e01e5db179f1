// Downloads that are made in the page: CSV from rows, SVG with its colours written in, PNG from that SVG.

export function toCsv(columns: string[], rows: (string | number | boolean)[][]): string {
  const quote = (value: string | number | boolean): string => {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => `${row.map(quote).join(",")}\r\n`).join("");
}

/** Replace every `var(--fw-…)` by its value at `root`, so that the file looks the same anywhere. */
export function standaloneSvg(drawing: SVGSVGElement, root: Element): string {
  const style = getComputedStyle(root);
  const text = new XMLSerializer().serializeToString(drawing);
  const resolved = text.replace(
    /var\((--fw-[\w-]+)\)/g,
    (_, name: string) => style.getPropertyValue(name).trim() || "currentColor",
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${resolved}\n`;
}

export async function toPng(svgText: string, width: number, height: number, scale = 2): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser gives no 2D canvas, so no PNG can be made");
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("the PNG could not be encoded"))),
      "image/png",
    ),
  );
}

export function download(name: string, content: Blob | string, type = "text/plain"): void {
  const blob = typeof content === "string" ? new Blob([content], { type: `${type};charset=utf-8` }) : content;
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Put a text on the clipboard; false where the browser allows neither way. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelection(text); // no clipboard without a secure context, and none where the reader refused it
  }
}

/** The way that works from file:// as well: a field is selected and copied. */
function copySelection(text: string): boolean {
  const active = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.style.position = "fixed"; // or the page would scroll to it
  field.style.opacity = "0";
  document.body.append(field);
  field.select();
  const copied = document.execCommand?.("copy") ?? false;
  field.remove();
  if (active instanceof HTMLElement) active.focus({ preventScroll: true });
  return copied;
}

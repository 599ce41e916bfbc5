// The link to a ZIP of files: their paths, in a frame of Zstandard, in base64.

/** A frame that holds bytes as they are (RFC 8878, sections 3.1.1 and 3.1.1.2). */
function frame(content: Uint8Array): number[] {
  const size = content.length;
  const magic = [0x28, 0xb5, 0x2f, 0xfd];
  // One segment, and its size in four bytes; then one block, the last, raw.
  const header = [0xa0, size & 255, (size >> 8) & 255, (size >> 16) & 255, size >>> 24];
  const block = 1 | (size << 3);
  return [...magic, ...header, block & 255, (block >> 8) & 255, (block >> 16) & 255, ...content];
}

/** Where a ZIP of some paths, each PROJECT/REPO@COMMIT:PATH, is got. */
export function archiveUrl(paths: string[]): string {
  const text = new TextEncoder().encode(paths.map((path) => `${path}\0`).join(""));
  const letters = String.fromCharCode(1, ...frame(text));
  const token = btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return `/archive/${token}.zip`;
}

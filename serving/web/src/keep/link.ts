/** A whole session in the fragment of a link: it never leaves the browsers of those who share it. */

import { type Piece } from "../session/piece";
import { pack, unpack } from "./packed";

const NAME = "session=";
const MOST_BYTES = 2 ** 20; // unpacked; an hour's session has a tenth of it

/** The fragment, without its hash sign, of a link to this page. */
export async function fragmentOf(piece: Piece): Promise<string> {
  const plain = new Blob([JSON.stringify(pack(piece))]).stream();
  const bytes = new Uint8Array(await new Response(plain.pipeThrough(new CompressionStream("deflate-raw"))).arrayBuffer());
  const letters = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return NAME + letters.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The session in a fragment, or null if there is none that can be read. */
export async function pieceIn(fragment: string): Promise<Piece | null> {
  const text = fragment.replace(/^#/, "");
  if (!text.startsWith(NAME)) return null;
  try {
    const letters = atob(text.slice(NAME.length).replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    return unpack(JSON.parse(await inflated(bytes)));
  } catch {
    return null;
  }
}

/** Little can unpack to much: reading stops where no session goes on. */
async function inflated(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let total = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    total += value.length;
    if (total > MOST_BYTES) throw new RangeError("too long for a session");
    text += decoder.decode(value, { stream: true });
  }
}

/** Mouse, pen and fingers on the piano: several at once, and each may slide from key to key. */

import { type KeyListener } from "./listener";
import { keyAt, type PianoKey, velocityAt } from "./piano";

export class Fingers {
  /** The keys as they are laid out now. */
  keys: readonly PianoKey[] = [];

  readonly #listener: KeyListener;
  readonly #on = new Map<number, number | null>(); // pointer → the pitch under it; null beside the keys

  constructor(listener: KeyListener) {
    this.#listener = listener;
  }

  /** Listen until the returned function is called. */
  attach(piano: HTMLElement): () => void {
    const listening = new AbortController();
    const { signal } = listening;
    const lift = (event: PointerEvent) => this.#lift(event);
    piano.addEventListener("pointerdown", (event) => this.#touch(piano, event), { signal });
    piano.addEventListener("pointermove", (event) => this.#slide(piano, event), { signal });
    piano.addEventListener("pointerup", lift, { signal });
    piano.addEventListener("pointercancel", lift, { signal });
    piano.addEventListener("contextmenu", (event) => event.preventDefault(), { signal }); // a long touch
    return () => listening.abort();
  }

  #touch(piano: HTMLElement, event: PointerEvent): void {
    if (event.button !== 0) return;
    piano.setPointerCapture(event.pointerId); // its end is heard wherever it ends
    this.#on.set(event.pointerId, null);
    this.#slide(piano, event);
  }

  #slide(piano: HTMLElement, event: PointerEvent): void {
    const before = this.#on.get(event.pointerId);
    if (before === undefined) return; // it hovers
    const { left, top, width, height } = piano.getBoundingClientRect();
    const y = (event.clientY - top) / height;
    const key = keyAt(this.keys, (event.clientX - left) / width, y);
    if (before === (key?.pitch ?? null)) return;
    if (before !== null) this.#listener.release(before, event.timeStamp);
    if (key) this.#listener.press(key.pitch, velocityAt(key, y), event.timeStamp);
    this.#on.set(event.pointerId, key?.pitch ?? null);
  }

  #lift(event: PointerEvent): void {
    const pitch = this.#on.get(event.pointerId);
    this.#on.delete(event.pointerId);
    if (pitch !== undefined && pitch !== null) this.#listener.release(pitch, event.timeStamp);
  }
}

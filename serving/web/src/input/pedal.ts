/** The sustain pedal: while it is down, keys that are let go sound on, and are released when it comes up. */

import { type KeyListener } from "./listener";

export class Pedal implements KeyListener {
  readonly #listener: KeyListener;
  readonly #held = new Set<number>(); // let go while the pedal is down
  #down = false;

  constructor(listener: KeyListener) {
    this.#listener = listener;
  }

  press(pitch: number, velocity: number, atMs: number): void {
    this.#held.delete(pitch);
    this.#listener.press(pitch, velocity, atMs);
  }

  release(pitch: number, atMs: number): void {
    if (this.#down) this.#held.add(pitch);
    else this.#listener.release(pitch, atMs);
  }

  move(down: boolean, atMs: number): void {
    this.#down = down;
    if (down) return;
    for (const pitch of this.#held) this.#listener.release(pitch, atMs);
    this.#held.clear();
  }
}

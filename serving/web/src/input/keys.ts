/**
 * The computer's keyboard as a piano: the centre row has the white keys, the row above it the black ones. Keys are
 * known by their place (`KeyboardEvent.code`), so it fits every layout; their caps may read differently.
 */

import { type KeyListener } from "./listener";

/** Semitones above the lowest key, by place. */
export const SEMITONES: Readonly<Record<string, number>> = {
  KeyA: 0,
  KeyW: 1,
  KeyS: 2,
  KeyE: 3,
  KeyD: 4,
  KeyF: 5,
  KeyT: 6,
  KeyG: 7,
  KeyY: 8,
  KeyH: 9,
  KeyU: 10,
  KeyJ: 11,
  KeyK: 12,
  KeyO: 13,
  KeyL: 14,
  KeyP: 15,
  Semicolon: 16,
  Quote: 17,
};
export const OCTAVE_DOWN = "KeyZ";
export const OCTAVE_UP = "KeyX";

const OCTAVE = 12;
const LOWEST_BASE = 24; // C1
const HIGHEST_BASE = 96; // C7
const TYPED_INTO = "select, textarea, input[readonly]"; // letters choose there, and combinations copy
const VELOCITY = 90; // these keys feel no force: a firm, not a hard stroke

/** Where the lowest key lies after going up or down by octaves. */
export const shifted = (base: number, octaves: number): number =>
  Math.min(HIGHEST_BASE, Math.max(LOWEST_BASE, base + octaves * OCTAVE));

/** What stands on the caps: as the browser knows the layout, and else as on a US keyboard. */
export async function keyCaps(): Promise<(code: string) => string> {
  const layout = await (navigator as { keyboard?: Keyboard }).keyboard?.getLayoutMap().catch(() => null);
  return (code) => (layout?.get(code) ?? US_CAPS[code] ?? code.replace("Key", "")).toUpperCase();
}

const US_CAPS: Readonly<Record<string, string>> = { Semicolon: ";", Quote: "'" };

interface Keyboard {
  getLayoutMap(): Promise<ReadonlyMap<string, string>>;
}

export class ComputerKeys {
  /** The pitch of the lowest key. */
  base: number;

  readonly #listener: KeyListener;
  readonly #onShift: (octaves: number) => void;
  readonly #down = new Map<string, number>(); // the pitch that each key began, whatever the octave is by now

  constructor(base: number, listener: KeyListener, onShift: (octaves: number) => void) {
    this.base = base;
    this.#listener = listener;
    this.#onShift = onShift;
  }

  /** Listen until the returned function is called. */
  attach(target: Window): () => void {
    const listening = new AbortController();
    const { signal } = listening;
    target.addEventListener("keydown", (event) => this.#press(event), { signal });
    target.addEventListener("keyup", (event) => this.#release(event.code, event.timeStamp), { signal });
    // Key-ups that happen elsewhere never come.
    target.addEventListener("blur", (event) => this.#releaseAll(event.timeStamp), { signal });
    return () => listening.abort();
  }

  #press(event: KeyboardEvent): void {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.matches(TYPED_INTO)) return;
    if (event.code === OCTAVE_DOWN) return this.#onShift(-1);
    if (event.code === OCTAVE_UP) return this.#onShift(1);
    const semitones = SEMITONES[event.code];
    if (semitones === undefined || this.#down.has(event.code)) return;
    event.preventDefault(); // a quote opens Firefox's search
    this.#down.set(event.code, this.base + semitones);
    this.#listener.press(this.base + semitones, VELOCITY, event.timeStamp);
  }

  #release(code: string, atMs: number): void {
    const pitch = this.#down.get(code);
    if (pitch === undefined) return;
    this.#down.delete(code);
    this.#listener.release(pitch, atMs);
  }

  #releaseAll(atMs: number): void {
    for (const code of [...this.#down.keys()]) this.#release(code, atMs);
  }
}

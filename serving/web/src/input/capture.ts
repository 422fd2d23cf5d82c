/** From keys to notes: which release belongs to which stroke. */

import { type Note } from "../session/turn";
import { type Beats, beats } from "../time";

/** A struck key that is released at once still sounds: a 128th note, well below the grid. */
const SHORTEST: Beats = beats(1 / 32);

/** Pairs key strokes with key releases. A pitch struck again closes its first note; every note gets an end. */
export class Capture {
  readonly #closed: Note[] = [];
  readonly #open = new Map<number, { velocity: number; start: Beats }>();

  on(pitch: number, velocity: number, at: Beats): void {
    this.off(pitch, at);
    this.#open.set(pitch, { velocity, start: at });
  }

  /** A release without its stroke (the key was down before) is nothing. */
  off(pitch: number, at: Beats): void {
    const note = this.#open.get(pitch);
    if (!note) return;
    this.#open.delete(pitch);
    this.#closed.push({ pitch, ...note, end: lasting(note.start, at) });
  }

  get isEmpty(): boolean {
    return this.#closed.length === 0 && this.#open.size === 0;
  }

  /** Whether no key is down at a moment, nor was one for so long before it. */
  restedFor(pause: Beats, now: Beats): boolean {
    return this.#open.size === 0 && this.#closed.every(({ end }) => end + pause <= now);
  }

  /** All notes up to a moment, those still held closed there, in order of their starts. */
  upTo(at: Beats): Note[] {
    const held = [...this.#open].map(([pitch, note]) => ({ pitch, ...note, end: lasting(note.start, at) }));
    return [...this.#closed, ...held].sort((a, b) => a.start - b.start || a.pitch - b.pitch);
  }
}

const lasting = (start: Beats, end: Beats): Beats => beats(Math.max(end, start + SHORTEST));

/** From keys to notes: what a MIDI port says, and which note-off belongs to which note-on. */

import { type Note } from "../session/turn";
import { type Beats, beats } from "../time";

export type KeyMessage =
  | { readonly kind: "on"; readonly pitch: number; readonly velocity: number }
  | { readonly kind: "off"; readonly pitch: number }
  | { readonly kind: "pedal"; readonly down: boolean };

const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;
const CONTROL_CHANGE = 0xb0;
const SUSTAIN = 64; // the controller's number; from a value of 64 on the pedal is down
const DATA_BITS = 0x7f;

/**
 * Read one MIDI message as it comes from a port, on any channel; null if it moves neither a key nor the sustain pedal.
 * A note-on of velocity 0 is a note-off (MIDI 1.0, running status), as many keyboards send it.
 */
export function readMessage(bytes: ArrayLike<number>): KeyMessage | null {
  const [status, pitch, velocity] = [bytes[0], bytes[1], bytes[2]]; // of a control change: its number and value
  if (bytes.length !== 3 || status === undefined || pitch === undefined || velocity === undefined) return null;
  if (pitch > DATA_BITS || velocity > DATA_BITS) return null;
  const kind = status & 0xf0;
  if (kind === NOTE_ON && velocity > 0) return { kind: "on", pitch, velocity };
  if (kind === NOTE_ON || kind === NOTE_OFF) return { kind: "off", pitch };
  if (kind === CONTROL_CHANGE && pitch === SUSTAIN) return { kind: "pedal", down: velocity >= 64 };
  return null;
}

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

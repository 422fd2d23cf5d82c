/** A MIDI keyboard, byte by byte: its messages, on whatever channels they come, as keys that are pressed and released. */

import { type KeyListener } from "./listener";
import { Pedal } from "./pedal";

const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;
const CONTROL_CHANGE = 0xb0;
const SUSTAIN = 64; // the controller's number
const PEDAL_DOWN = 64; // from this value on; pedals that tell how far they are down pass through all values
const LET_GO: ReadonlySet<number> = new Set([120, 121, 123]); // all sound off, reset all controllers, all notes off
const DATA_BITS = 0x7f;

/** Keyboards with layered sounds say each stroke on several channels, one right after the other. */
const LAYER_MS = 5;

/** A pitch that is down: on which channels, and since when. */
interface Stroke {
  readonly channels: Set<number>;
  readonly atMs: number;
}

export class MidiKeyboard {
  readonly #pedal: Pedal;
  readonly #down = new Map<number, Stroke>();

  constructor(listener: KeyListener) {
    this.#pedal = new Pedal(listener);
  }

  /** Take one message as it comes from a port; what moves no key and no sustain pedal passes by, and so does a broken one. */
  receive(bytes: ArrayLike<number>, atMs: number): void {
    const [status, first, second] = [bytes[0], bytes[1], bytes[2]];
    if (bytes.length !== 3 || status === undefined || first === undefined || second === undefined) return;
    if (first > DATA_BITS || second > DATA_BITS) return;
    const channel = status & 0x0f;
    switch (status & 0xf0) {
      case NOTE_ON:
        // Of velocity 0 it is a note-off (MIDI 1.0, running status), as many keyboards send it.
        if (second > 0) this.#strike(first, second, channel, atMs);
        else this.#lift(first, channel, atMs);
        break;
      case NOTE_OFF:
        this.#lift(first, channel, atMs);
        break;
      case CONTROL_CHANGE:
        if (first === SUSTAIN) this.#pedal.move(second >= PEDAL_DOWN, atMs);
        else if (LET_GO.has(first)) this.letGo(atMs);
        break;
    }
  }

  /** Release all keys and the pedal: nobody else will, where a keyboard is gone. */
  letGo(atMs: number): void {
    this.#pedal.move(false, atMs);
    for (const pitch of this.#down.keys()) this.#pedal.release(pitch, atMs);
    this.#down.clear();
  }

  #strike(pitch: number, velocity: number, channel: number, atMs: number): void {
    const stroke = this.#down.get(pitch);
    if (stroke && !stroke.channels.has(channel) && Math.abs(atMs - stroke.atMs) <= LAYER_MS) {
      stroke.channels.add(channel);
      return;
    }
    this.#down.set(pitch, { channels: new Set(stroke?.channels).add(channel), atMs });
    this.#pedal.press(pitch, velocity, atMs);
  }

  /** A pitch is released when no channel holds it any more. */
  #lift(pitch: number, channel: number, atMs: number): void {
    const stroke = this.#down.get(pitch);
    if (!stroke?.channels.delete(channel) || stroke.channels.size > 0) return;
    this.#down.delete(pitch);
    this.#pedal.release(pitch, atMs);
  }
}

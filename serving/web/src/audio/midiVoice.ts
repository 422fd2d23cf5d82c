/** A voice on a synthesiser at a MIDI port. */

import { type Seconds } from "../time";
import type { Voice } from "./voices"; // no more than the type: it must not bring the engine

const NOTE_ON = 0x90;
const NOTE_OFF = 0x80;
const ALL_NOTES_OFF = [0xb0, 123, 0] as const;
const CHANNEL = 0;

export class MidiVoice implements Voice {
  readonly #send: (message: readonly number[], at: Seconds) => void;
  readonly #sounding = new Set<number>();

  /** @param send gives the port a message to be heard at an instant of the audio clock */
  constructor(send: (message: readonly number[], at: Seconds) => void) {
    this.#send = send;
  }

  attack(pitch: number, velocity: number, at: Seconds): void {
    if (this.#sounding.has(pitch)) this.release(pitch, at);
    this.#sounding.add(pitch);
    this.#send([NOTE_ON | CHANNEL, pitch, velocity], at);
  }

  release(pitch: number, at: Seconds): void {
    this.#sounding.delete(pitch);
    this.#send([NOTE_OFF | CHANNEL, pitch, 0], at);
  }

  silence(now: Seconds): void {
    for (const pitch of [...this.#sounding]) this.release(pitch, now);
    this.#send(ALL_NOTES_OFF, now);
  }

  dispose(): void {
    this.#sounding.clear();
  }
}

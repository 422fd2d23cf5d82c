/** The two voices: the player's is struck and rings, like an electric piano; Kakeai's is blown, warm and hollow. */

import { Limiter } from "tone/build/esm/component/dynamics/Limiter.js";
import { FMSynth } from "tone/build/esm/instrument/FMSynth.js";
import { PolySynth } from "tone/build/esm/instrument/PolySynth.js";
import { Synth } from "tone/build/esm/instrument/Synth.js";
import { type Seconds, seconds } from "../time";
import { HORIZON } from "./clock";

export class Voice {
  readonly #synth: PolySynth<FMSynth> | PolySynth<Synth>;

  constructor(synth: PolySynth<FMSynth> | PolySynth<Synth>) {
    this.#synth = synth;
  }

  /** Strike a key. A pitch that sounds already is released first. */
  attack(pitch: number, velocity: number, at: Seconds): void {
    this.#synth.triggerRelease(frequency(pitch), at);
    this.#synth.triggerAttack(frequency(pitch), at, velocity / 127);
  }

  release(pitch: number, at: Seconds): void {
    this.#synth.triggerRelease(frequency(pitch), at);
  }

  /** Release everything, also what was already handed to the audio engine. */
  silence(now: Seconds): void {
    this.#synth.releaseAll(seconds(now + HORIZON));
  }
}

/** Both voices on one bus; it keeps chords from clipping. */
export function twoVoices(): { player: Voice; kakeai: Voice } {
  const bus = new Limiter(-2).toDestination();
  const player = new PolySynth(FMSynth, {
    volume: 1,
    harmonicity: 2,
    modulationIndex: 3.5,
    oscillator: { type: "sine" },
    // No ramp up: a live note is struck now, and by the time the audio engine hears of it, a ramp of milliseconds may
    // be over and be left out, and with it the stroke.
    envelope: { attack: 0, decay: 1.8, sustain: 0.12, release: 0.35 },
    modulation: { type: "sine" },
    modulationEnvelope: { attack: 0, decay: 0.35, sustain: 0.1, release: 0.3 },
  }).connect(bus);
  const kakeai = new PolySynth(Synth, {
    volume: -10,
    // A closed pipe: odd partials only.
    oscillator: { type: "custom", partials: [1, 0, 0.42, 0, 0.2, 0, 0.07, 0, 0.03] },
    envelope: { attack: 0.018, decay: 0.25, sustain: 0.6, release: 0.16 },
  }).connect(bus);
  return { player: new Voice(player), kakeai: new Voice(kakeai) };
}

/** Hertz of a MIDI pitch in equal temperament, A4 = 440 Hz. */
const frequency = (pitch: number): number => 440 * 2 ** ((pitch - 69) / 12);

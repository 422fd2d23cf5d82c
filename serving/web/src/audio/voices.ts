/** The two voices, one for the player and one for Kakeai, and the sounds that each can have. */

import { Limiter } from "tone/build/esm/component/dynamics/Limiter.js";
import { FMSynth } from "tone/build/esm/instrument/FMSynth.js";
import { PolySynth } from "tone/build/esm/instrument/PolySynth.js";
import { Sampler } from "tone/build/esm/instrument/Sampler.js";
import { Synth } from "tone/build/esm/instrument/Synth.js";
import { type Seconds, seconds } from "../time";
import { HORIZON } from "./clock";
import { PIANO_SAMPLES } from "./piano";
import { type Sound } from "./sounds";

type Instrument = PolySynth<FMSynth> | PolySynth<Synth> | Sampler;

/** What keys are struck on: a sound of the page's, or a synthesiser at a MIDI port. */
export interface Voice {
  attack(pitch: number, velocity: number, at: Seconds): void;
  release(pitch: number, at: Seconds): void;
  /** Release everything, also what was already handed to the audio engine. */
  silence(now: Seconds): void;
  dispose(): void;
}

class SoundingVoice implements Voice {
  readonly #instrument: Instrument;

  constructor(instrument: Instrument) {
    this.#instrument = instrument;
  }

  /** Strike a key. A pitch that sounds already is released first. */
  attack(pitch: number, velocity: number, at: Seconds): void {
    if (this.#instrument instanceof Sampler && !this.#instrument.loaded) return; // still on its way
    this.#instrument.triggerRelease(frequency(pitch), at);
    this.#instrument.triggerAttack(frequency(pitch), at, velocity / 127);
  }

  release(pitch: number, at: Seconds): void {
    this.#instrument.triggerRelease(frequency(pitch), at);
  }

  silence(now: Seconds): void {
    this.#instrument.releaseAll(seconds(now + HORIZON));
  }

  dispose(): void {
    this.#instrument.dispose();
  }
}

/** Both voices' bus; it keeps chords from clipping. */
export class Bus {
  readonly #limiter = new Limiter(-2).toDestination();

  /** @param loaded called when the sound can be heard: at once, but for what is loaded first */
  voice(sound: Sound, loaded: () => void = () => {}): Voice {
    const instrument = INSTRUMENTS[sound](loaded).connect(this.#limiter);
    if (!(instrument instanceof Sampler)) loaded();
    return new SoundingVoice(instrument);
  }
}

const INSTRUMENTS: Record<Sound, (loaded: () => void) => Instrument> = {
  piano: (loaded) => new Sampler({ urls: PIANO_SAMPLES, release: 0.3, volume: -4, onload: loaded }),
  /** Struck, and rings. */
  electric: () =>
    new PolySynth(FMSynth, {
      volume: 1,
      harmonicity: 2,
      modulationIndex: 3.5,
      oscillator: { type: "sine" },
      // No ramp up: a live note is struck now, and by the time the audio engine hears of it, a ramp of milliseconds
      // may be over and be left out, and with it the stroke.
      envelope: { attack: 0, decay: 1.8, sustain: 0.12, release: 0.35 },
      modulation: { type: "sine" },
      modulationEnvelope: { attack: 0, decay: 0.35, sustain: 0.1, release: 0.3 },
    }),
  /** Blown, warm and hollow: a closed pipe has odd partials only. */
  pipe: () =>
    new PolySynth(Synth, {
      volume: -10,
      oscillator: { type: "custom", partials: [1, 0, 0.42, 0, 0.2, 0, 0.07, 0, 0.03] },
      envelope: { attack: 0.018, decay: 0.25, sustain: 0.6, release: 0.16 },
    }),
  /** Struck glass: partials that fit no string. */
  glass: () =>
    new PolySynth(FMSynth, {
      volume: -2,
      harmonicity: 3.5,
      modulationIndex: 8,
      oscillator: { type: "sine" },
      envelope: { attack: 0, decay: 1.2, sustain: 0, release: 0.8 },
      modulation: { type: "sine" },
      modulationEnvelope: { attack: 0, decay: 0.15, sustain: 0, release: 0.2 },
    }),
};

/** Hertz of a MIDI pitch in equal temperament, A4 = 440 Hz. */
const frequency = (pitch: number): number => 440 * 2 ** ((pitch - 69) / 12);

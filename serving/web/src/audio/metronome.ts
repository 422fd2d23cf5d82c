/** Clicks on the beats, the first of a bar higher. */

import { Synth } from "tone/build/esm/instrument/Synth.js";
import { type Beats, beats, type Seconds, type Timeline } from "../time";

const ACCENT_HZ = 2093; // C7
const BEAT_HZ = 1568; // G6
const CLICK_SECONDS = 0.02;

export class Metronome {
  readonly #synth = new Synth({
    volume: -14,
    oscillator: { type: "triangle" },
    envelope: { attack: 0.001, decay: 0.04, sustain: 0, release: 0.01 },
  }).toDestination();
  #next: Beats = beats(0);

  /** The first beat that may click. */
  from(beat: Beats): void {
    this.#next = beat;
  }

  /**
   * Click on each beat up to an instant, once.
   * @param bar where a bar begins
   * @param clicks whether a beat clicks at all
   */
  run(timeline: Timeline, until: Seconds, bar: Beats, beatsPerBar: number, clicks: (beat: Beats) => boolean): void {
    for (; timeline.instantOf(this.#next) < until; this.#next = beats(this.#next + 1)) {
      if (!clicks(this.#next)) continue;
      const accented = (this.#next - bar) % beatsPerBar === 0;
      this.#synth.triggerAttackRelease(accented ? ACCENT_HZ : BEAT_HZ, CLICK_SECONDS, timeline.instantOf(this.#next));
    }
  }
}

/** The one clock of the page: the audio clock. What is to sound is handed to it with the instant at which it sounds. */

import { Context } from "tone/build/esm/core/context/Context.js";
import { setContext } from "tone/build/esm/core/Global.js";
import { type Seconds, seconds } from "../time";

/**
 * How far ahead sounds are handed to the audio engine: more than a busy page stands still, and little, so that a stop
 * is a stop.
 */
export const HORIZON: Seconds = seconds(0.2);

/** Nobody's speakers lag longer: beyond it the browser's account of what is heard is not to be trusted. */
const LONGEST_LAG: Seconds = seconds(0.5);

type Sound = (at: Seconds) => void;

export class AudioClock {
  readonly #context = new AudioContext({ latencyHint: "interactive" });
  readonly #ticker: Worker;
  #waiting: { at: Seconds; sound: Sound }[] = [];

  /** Make it on a player's gesture: browsers give no sound before one. */
  constructor(onTick: () => void) {
    // The browser's own context, since the wrapper that Tone would make cannot tell what is heard. And Tone's own
    // worker comes from a blob, which a strict content security policy forbids: Tone gets a plain timer for its
    // housekeeping, and all timing comes from a worker of the page's own.
    setContext(new Context({ context: this.#context, clockSource: "timeout", lookAhead: HORIZON }));
    this.#ticker = new Worker(new URL("./ticker.ts", import.meta.url), { type: "module" });
    this.#ticker.onmessage = () => {
      onTick();
      this.#handOver();
    };
  }

  /** Resolves when the clock runs. */
  async run(): Promise<void> {
    await this.#context.resume();
  }

  /** The instant at which a sound made now would start. */
  now(): Seconds {
    return seconds(this.#context.currentTime);
  }

  /** The instant up to which sounds are handed to the audio engine now. */
  get horizon(): Seconds {
    return seconds(this.now() + HORIZON);
  }

  /** The instant that left the speakers at a moment of the page's clock: what the player hears then. */
  heard(atMs: number = performance.now()): Seconds {
    const { contextTime = 0, performanceTime = 0 } = this.#context.getOutputTimestamp();
    const elapsed = (atMs - performance.now()) / 1000;
    const latest = this.now() + elapsed;
    if (performanceTime === 0) return seconds(latest);
    const heard = contextTime + (atMs - performanceTime) / 1000;
    return seconds(Math.min(latest, Math.max(latest - LONGEST_LAG, heard)));
  }

  /** The moment of the page's clock at which an instant leaves the speakers; the inverse of `heard`. */
  leavesAtMs(at: Seconds): number {
    const nowMs = performance.now();
    return nowMs + (at - this.heard(nowMs)) * 1000;
  }

  /** Let a sound be made at an instant. */
  schedule(at: Seconds, sound: Sound): void {
    this.#waiting.push({ at, sound });
  }

  /** Forget all sounds that have not been handed over. */
  clear(): void {
    this.#waiting = [];
  }

  #handOver(): void {
    const until = this.horizon;
    const due = this.#waiting.filter(({ at }) => at < until).sort((a, b) => a.at - b.at);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter(({ at }) => at >= until);
    for (const { at, sound } of due) sound(seconds(Math.max(at, this.now())));
  }
}

/** All that sounds: the clock, the two voices and the clicks. With Tone.js, it is most of the page's code. */

import { type Who } from "../session/turn";
import { AudioClock } from "./clock";
import { Metronome } from "./metronome";
import { Bus, type Voice } from "./voices";

export { renderWav } from "./render";

export class Engine {
  readonly clock: AudioClock;
  readonly bus: Bus;
  readonly metronome: Metronome;
  readonly voices: Record<Who, Voice>;

  /**
   * Make it on a player's gesture: browsers give no sound before one.
   * @param voice makes the voice of each side
   */
  constructor(onTick: () => void, voice: (who: Who, engine: Pick<Engine, "clock" | "bus">) => Voice) {
    this.clock = new AudioClock(onTick); // first: Tone's parts belong to its context
    this.bus = new Bus();
    this.metronome = new Metronome();
    this.voices = { player: voice("player", this), kakeai: voice("kakeai", this) };
  }
}

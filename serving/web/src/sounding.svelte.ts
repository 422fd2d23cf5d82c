/** What sounds: the audio clock, both voices and the clicks, from the first gesture on. */

import { AudioClock } from "./audio/clock";
import { Metronome } from "./audio/metronome";
import { MidiVoice } from "./audio/midiVoice";
import { Bus, type Sound, type Sounds, type Voice } from "./audio/voices";
import { type MidiPorts } from "./input/ports";
import { type Who } from "./session/turn";

interface Running {
  readonly clock: AudioClock;
  readonly bus: Bus;
  readonly metronome: Metronome;
  readonly voices: Record<Who, Voice>;
}

export class Sounding {
  sounds = $state.raw<Sounds>({ player: "electric", kakeai: "pipe" });
  /** The port of the synthesiser that plays Kakeai's voice; null for a sound of the page's. */
  output = $state<string | null>(null);
  /** Sounds that are still on their way. */
  loading = $state(0);
  /** Browsers give no sound before a gesture. */
  locked = $state(true);

  readonly #ports: MidiPorts;
  readonly #onTick: () => void;
  #running: Running | null = null;

  constructor(ports: MidiPorts, onTick: () => void) {
    this.#ports = ports;
    this.#onTick = onTick;
  }

  /** Everything that sounds, once there was a gesture. */
  get running(): Running | null {
    return this.#running;
  }

  /** Call it on a gesture. */
  unlock(): Running {
    if (!this.#running) {
      const clock = new AudioClock(this.#onTick);
      const bus = new Bus();
      const voices = { player: this.#voice(bus, clock, "player"), kakeai: this.#voice(bus, clock, "kakeai") };
      this.#running = { clock, bus, metronome: new Metronome(), voices };
    }
    if (this.locked) void this.#running.clock.run().then(() => (this.locked = false));
    return this.#running;
  }

  choose(who: Who, sound: Sound): void {
    this.sounds = { ...this.sounds, [who]: sound };
    this.#renew(who);
  }

  /** Let Kakeai play on a synthesiser, or (null) on the page. */
  sendTo(output: string | null): void {
    this.output = output;
    this.#renew("kakeai");
  }

  #renew(who: Who): void {
    if (!this.#running) return;
    const { bus, clock, voices } = this.#running;
    voices[who].silence(clock.now());
    voices[who].dispose();
    voices[who] = this.#voice(bus, clock, who);
  }

  #voice(bus: Bus, clock: AudioClock, who: Who): Voice {
    const { output } = this;
    if (who === "kakeai" && output !== null) {
      return new MidiVoice((message, at) => this.#ports.send(output, message, clock.leavesAtMs(at)));
    }
    this.loading += 1;
    return bus.voice(this.sounds[who], () => (this.loading -= 1));
  }
}

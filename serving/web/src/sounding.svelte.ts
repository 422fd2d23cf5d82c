/** What sounds, from the first gesture on, and on what. */

import type { Engine } from "./audio/engine";
import { MidiVoice } from "./audio/midiVoice";
import { type Sound } from "./audio/sounds";
import type { Voice } from "./audio/voices";
import { type MidiPorts } from "./input/ports";
import { type Who } from "./session/turn";
import { type Settings } from "./settings";

/** Most of the page's code: loaded once the page is painted, while the player looks around. */
const engineModule = painted().then(() => import("./audio/engine"));

export class Sounding {
  /** The port of the synthesiser that plays Kakeai's voice; null for a sound of the page's. */
  output = $state<string | null>(null);
  /** Sounds that are still on their way. */
  loading = $state(0);
  /** Browsers give no sound before a gesture. */
  locked = $state(true);

  readonly #settings: Settings;
  readonly #ports: MidiPorts;
  readonly #onTick: () => void;
  #Engine: typeof Engine | null = null;
  #engine: Engine | null = null;

  constructor(settings: Settings, ports: MidiPorts, onTick: () => void) {
    this.#settings = settings;
    this.#ports = ports;
    this.#onTick = onTick;
    void engineModule.then(({ Engine }) => (this.#Engine = Engine));
  }

  /** Everything that sounds, once there was a gesture. */
  get running(): Engine | null {
    return this.#engine;
  }

  /** Call it on a gesture. Null where the first gesture comes before the engine's code is loaded. */
  unlock(): Engine | null {
    if (!this.#engine && this.#Engine) {
      this.#engine = new this.#Engine(this.#onTick, (who, engine) => this.#voice(who, engine));
    }
    if (this.locked) void this.#engine?.clock.run().then(() => (this.locked = false));
    return this.#engine;
  }

  /** As `unlock`, and waits for the engine's code where that is still on its way. */
  async unlocked(): Promise<Engine> {
    ({ Engine: this.#Engine } = await engineModule);
    return this.unlock() ?? this.unlocked();
  }

  choose(who: Who, sound: Sound): void {
    this.#settings.sounds = { ...this.#settings.sounds, [who]: sound };
    this.#renew(who);
  }

  /** Let Kakeai play on a synthesiser, or (null) on the page. */
  sendTo(output: string | null): void {
    this.output = output;
    this.#renew("kakeai");
  }

  #renew(who: Who): void {
    if (!this.#engine) return;
    const { clock, voices } = this.#engine;
    voices[who].silence(clock.now());
    voices[who].dispose();
    voices[who] = this.#voice(who, this.#engine);
  }

  #voice(who: Who, { bus, clock }: Pick<Engine, "clock" | "bus">): Voice {
    const { output } = this;
    if (who === "kakeai" && output !== null) {
      return new MidiVoice((message, at) => this.#ports.send(output, message, clock.leavesAtMs(at)));
    }
    this.loading += 1;
    return bus.voice(this.#settings.sounds[who], () => (this.loading -= 1));
  }
}

function painted(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

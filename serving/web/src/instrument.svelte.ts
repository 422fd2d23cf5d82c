/** What the player plays on: the keys that are down, their sound, and the MIDI ports. */

import { SvelteSet } from "svelte/reactivity";
import { type KeyListener } from "./input/listener";
import { type MidiPorts, type Ports, type PortsState } from "./input/ports";
import { type Sounding } from "./sounding.svelte";
import { type Seconds } from "./time";

/** Who hears the strokes, at instants of the audio clock. */
interface Listener {
  noteOn(pitch: number, velocity: number, at: Seconds): void;
  noteOff(pitch: number, at: Seconds): void;
}

export class Instrument implements KeyListener {
  /** The pitches of the keys that are down. */
  readonly pressed = new SvelteSet<number>();
  ports = $state<PortsState>("closed");
  devices = $state.raw<Ports>({ inputs: [], outputs: [] });

  readonly #midi: MidiPorts;
  readonly #sounding: Sounding;
  readonly #listener: Listener;

  constructor(midi: MidiPorts, sounding: Sounding, listener: Listener) {
    this.#midi = midi;
    this.#sounding = sounding;
    this.#listener = listener;
  }

  press(pitch: number, velocity: number, atMs: number): void {
    this.pressed.add(pitch);
    const engine = this.#sounding.unlock();
    if (!engine) return;
    engine.voices.player.attack(pitch, velocity, engine.clock.now());
    this.#listener.noteOn(pitch, velocity, engine.clock.heard(atMs));
  }

  release(pitch: number, atMs: number): void {
    this.pressed.delete(pitch);
    const engine = this.#sounding.unlock();
    if (!engine) return;
    engine.voices.player.release(pitch, engine.clock.now());
    this.#listener.noteOff(pitch, engine.clock.heard(atMs));
  }

  /** Ask for the MIDI ports. Call it on a click: a MIDI message is no gesture, and gives no sound. */
  async connectMidi(): Promise<void> {
    this.#sounding.unlock();
    this.ports = "asking";
    this.ports = await this.#midi.open(this, (ports) => this.#plugged(ports));
  }

  /** Hear one keyboard alone, or (null) all of them. */
  hear(input: string | null): void {
    this.#midi.choose(input);
  }

  #plugged(ports: Ports): void {
    this.devices = ports;
    const { output } = this.#sounding;
    if (output !== null && !ports.outputs.some(({ id }) => id === output)) this.#sounding.sendTo(null);
  }
}

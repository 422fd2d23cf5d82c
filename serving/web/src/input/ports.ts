/** MIDI devices through Web MIDI: keyboards on every channel, also those plugged in later, and synthesisers to play on. */

import type { Input, MessageEvent, Output } from "webmidi";
import { readMessage } from "./capture";
import { type KeyListener } from "./listener";
import { Pedal } from "./pedal";

/** `unsupported`: this browser has no Web MIDI; `refused`: the player or the system said no. */
export type PortsState = "closed" | "asking" | "open" | "unsupported" | "refused";

export interface Port {
  readonly id: string;
  readonly name: string;
}

export interface Ports {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

interface Keyboard {
  readonly pedal: Pedal;
  readonly down: Set<number>; // keys down
}

export class MidiPorts {
  readonly #listener: KeyListener;
  readonly #onPorts: (ports: Ports) => void;
  readonly #keyboards = new Map<string, Keyboard>(); // by the port's id
  #outputs: readonly Output[] = [];
  #chosen: string | null = null;

  constructor(listener: KeyListener, onPorts: (ports: Ports) => void) {
    this.#listener = listener;
    this.#onPorts = onPorts;
  }

  /** Ask for the ports; the browser may ask the player, so call it on a click. */
  async open(): Promise<PortsState> {
    if (!("requestMIDIAccess" in navigator)) return "unsupported";
    const { WebMidi } = await import("webmidi");
    try {
      await WebMidi.enable({ sysex: false });
    } catch {
      return "refused";
    }
    const look = () => this.#look(WebMidi.inputs, WebMidi.outputs);
    WebMidi.addListener("portschanged", look);
    look();
    return "open";
  }

  /** Hear one keyboard alone, or all of them. */
  choose(id: string | null): void {
    this.#chosen = id;
    for (const other of this.#keyboards.keys()) if (id !== null && other !== id) this.#letGo(other);
  }

  /** Send a message to a synthesiser, to be heard at a moment of the page's clock; nothing if it is gone. */
  send(id: string, message: readonly number[], atMs: number): void {
    this.#outputs.find((output) => output.id === id)?.send([...message], { time: atMs });
  }

  #look(inputs: readonly Input[], outputs: readonly Output[]): void {
    for (const input of inputs) {
      if (this.#keyboards.has(input.id)) continue;
      this.#keyboards.set(input.id, { pedal: new Pedal(this.#listener), down: new Set() });
      input.addListener("midimessage", (event) => this.#receive(input.id, event));
    }
    for (const id of [...this.#keyboards.keys()]) {
      if (inputs.some((input) => input.id === id)) continue;
      this.#letGo(id);
      this.#keyboards.delete(id);
    }
    this.#outputs = outputs;
    const named = (ports: readonly Port[]): Port[] => ports.map(({ id, name }) => ({ id, name }));
    this.#onPorts({ inputs: named(inputs), outputs: named(outputs) });
  }

  #receive(id: string, { message, timestamp }: MessageEvent): void {
    const keyboard = this.#keyboards.get(id);
    const said = readMessage(message.data);
    if (!keyboard || !said || (this.#chosen !== null && this.#chosen !== id)) return;
    const atMs = timestamp || performance.now(); // some drivers stamp nothing
    switch (said.kind) {
      case "on":
        keyboard.down.add(said.pitch);
        keyboard.pedal.press(said.pitch, said.velocity, atMs);
        break;
      case "off":
        keyboard.down.delete(said.pitch);
        keyboard.pedal.release(said.pitch, atMs);
        break;
      case "pedal":
        keyboard.pedal.move(said.down, atMs);
        break;
    }
  }

  /** Nobody will release the keys of a keyboard that is gone, or not heard any more. */
  #letGo(id: string): void {
    const keyboard = this.#keyboards.get(id);
    if (!keyboard) return;
    const now = performance.now();
    keyboard.pedal.move(false, now);
    for (const pitch of keyboard.down) keyboard.pedal.release(pitch, now);
    keyboard.down.clear();
  }
}

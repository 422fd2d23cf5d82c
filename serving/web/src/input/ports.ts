/** MIDI devices through Web MIDI: keyboards on every channel, also those plugged in later, and synthesisers to play on. */

import type { Input, Output } from "webmidi";
import { MidiKeyboard } from "./keyboard";
import { type KeyListener } from "./listener";

/** `unsupported`: this browser has no Web MIDI; `refused`: the player said no; `failed`: the system's MIDI does not work. */
export type PortsState = "closed" | "asking" | "open" | "unsupported" | "refused" | "failed";

export interface Port {
  readonly id: string;
  readonly name: string;
}

export interface Ports {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

export class MidiPorts {
  readonly #listener: KeyListener;
  readonly #onPorts: (ports: Ports) => void;
  readonly #keyboards = new Map<string, MidiKeyboard>(); // by the port's id
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
    } catch (error) {
      const isNo = error instanceof Error && ["NotAllowedError", "SecurityError"].includes(error.name);
      return isNo ? "refused" : "failed";
    }
    const look = () => this.#look(WebMidi.inputs, WebMidi.outputs);
    WebMidi.addListener("portschanged", look);
    look();
    return "open";
  }

  /** Hear one keyboard alone, or all of them. */
  choose(id: string | null): void {
    this.#chosen = id;
    for (const [other, keyboard] of this.#keyboards) {
      if (id !== null && other !== id) keyboard.letGo(performance.now());
    }
  }

  /** Send a message to a synthesiser, to be heard at a moment of the page's clock; nothing if it is gone. */
  send(id: string, message: readonly number[], atMs: number): void {
    this.#outputs.find((output) => output.id === id)?.send([...message], { time: atMs });
  }

  #look(inputs: readonly Input[], outputs: readonly Output[]): void {
    for (const input of inputs) {
      if (this.#keyboards.has(input.id)) continue;
      const keyboard = new MidiKeyboard(this.#listener);
      this.#keyboards.set(input.id, keyboard);
      input.addListener("midimessage", ({ message, timestamp }) => {
        if (this.#chosen !== null && this.#chosen !== input.id) return;
        keyboard.receive(message.data, timestamp || performance.now()); // some drivers stamp nothing
      });
    }
    for (const [id, keyboard] of [...this.#keyboards]) {
      if (inputs.some((input) => input.id === id)) continue;
      keyboard.letGo(performance.now());
      this.#keyboards.delete(id);
      if (this.#chosen === id) this.#chosen = null; // or nothing would be heard
    }
    this.#outputs = outputs;
    const named = (ports: readonly Port[]): Port[] => ports.map(({ id, name }) => ({ id, name }));
    this.#onPorts({ inputs: named(inputs), outputs: named(outputs) });
  }
}

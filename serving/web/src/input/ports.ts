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
  readonly #keyboards = new Map<string, MidiKeyboard>(); // by the port's id
  #outputs: readonly Output[] = [];
  #chosen: string | null = null;

  /**
   * Ask for the ports; the browser may ask the player, so call it on a click.
   * @param listener hears the keyboards
   * @param onPorts is told which ports there are, now and whenever that changes
   */
  async open(listener: KeyListener, onPorts: (ports: Ports) => void): Promise<PortsState> {
    if (!("requestMIDIAccess" in navigator)) return "unsupported";
    const { WebMidi } = await import("webmidi");
    try {
      await WebMidi.enable({ sysex: false });
    } catch (error) {
      const isNo = error instanceof Error && ["NotAllowedError", "SecurityError"].includes(error.name);
      return isNo ? "refused" : "failed";
    }
    const look = () => onPorts(this.#look(listener, WebMidi.inputs, WebMidi.outputs));
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

  /** Attend to the keyboards that are there now, and to no others. */
  #look(listener: KeyListener, inputs: readonly Input[], outputs: readonly Output[]): Ports {
    for (const input of inputs) {
      if (this.#keyboards.has(input.id)) continue;
      const keyboard = new MidiKeyboard(listener);
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
    return { inputs: named(inputs), outputs: named(outputs) };
  }
}

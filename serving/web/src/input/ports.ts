/** MIDI keyboards through Web MIDI: every input, every channel, also those plugged in later. */

import type { Input, MessageEvent } from "webmidi";
import { readMessage } from "./capture";
import { type KeyListener } from "./listener";

/** `unsupported`: this browser has no Web MIDI; `refused`: the player or the system said no. */
export type PortsState = "closed" | "asking" | "open" | "unsupported" | "refused";

export class MidiPorts {
  readonly #listener: KeyListener;
  readonly #onInputs: (names: string[]) => void;
  readonly #down = new Map<string, Set<number>>(); // keys down, by the port's id

  constructor(listener: KeyListener, onInputs: (names: string[]) => void) {
    this.#listener = listener;
    this.#onInputs = onInputs;
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
    const listen = () => this.#listen(WebMidi.inputs);
    WebMidi.addListener("portschanged", listen);
    listen();
    return "open";
  }

  #listen(inputs: readonly Input[]): void {
    for (const input of inputs) {
      if (this.#down.has(input.id)) continue;
      this.#down.set(input.id, new Set());
      input.addListener("midimessage", (event) => this.#receive(input.id, event));
    }
    for (const id of [...this.#down.keys()]) {
      if (!inputs.some((input) => input.id === id)) this.#unplugged(id);
    }
    this.#onInputs(inputs.map(({ name }) => name));
  }

  #receive(id: string, { message, timestamp }: MessageEvent): void {
    const key = readMessage(message.data);
    if (!key) return;
    const atMs = timestamp || performance.now(); // some drivers stamp nothing
    if (key.kind === "on") {
      this.#down.get(id)?.add(key.pitch);
      this.#listener.press(key.pitch, key.velocity, atMs);
    } else {
      this.#down.get(id)?.delete(key.pitch);
      this.#listener.release(key.pitch, atMs);
    }
  }

  /** Nobody will release the keys of a keyboard that is gone. */
  #unplugged(id: string): void {
    for (const pitch of this.#down.get(id) ?? []) this.#listener.release(pitch, performance.now());
    this.#down.delete(id);
  }
}

/**
 * Raw bytes with their time stamps, as a browser hands them over, and the notes that a turn comes to: through the
 * keyboard and the session, as in the page. (Running status is the browser's: every message it gives has its status.)
 */

import { expect, test } from "vitest";
import { Session } from "../session/session";
import { type Turn } from "../session/turn";
import { beats, qpm } from "../time";
import { MidiKeyboard } from "./keyboard";

const MS_PER_BEAT = 1000; // at 60 a minute
const BAR = 4;

type Message = [stamp: number, ...bytes: number[]]; // the stamp in beats from the turn's start
type Heard = [pitch: number, velocity: number, start: number, end: number];

const on = (stamp: number, pitch: number, velocity: number, channel = 0): Message => [stamp, 0x90 | channel, pitch, velocity];
const off = (stamp: number, pitch: number, channel = 0): Message => [stamp, 0x80 | channel, pitch, 64];
const control = (stamp: number, number: number, value: number, channel = 0): Message => [stamp, 0xb0 | channel, number, value];
const pedal = (stamp: number, value: number): Message => control(stamp, 64, value);
const SHORTEST = 1 / 32;

const STREAMS: Record<string, { bytes: Message[]; notes: Heard[] }> = {
  // Strokes and releases
  "a stroke and its release": { bytes: [on(0, 60, 100), off(1, 60)], notes: [[60, 100, 0, 1]] },
  "a note-on of velocity 0 is an off": { bytes: [on(0, 60, 100), on(1, 60, 0)], notes: [[60, 100, 0, 1]] },
  "the softest and the hardest, the lowest and the highest": {
    bytes: [on(0, 0, 1), off(1, 0), on(1, 127, 127), off(2, 127)],
    notes: [[0, 1, 0, 1], [127, 127, 1, 2]],
  },
  "a release of nothing is nothing": { bytes: [off(1, 60), on(2, 61, 0)], notes: [] },
  "a chord, in order of its pitches": {
    bytes: [on(0, 67, 70), on(0, 60, 71), off(1, 67), off(2, 60)],
    notes: [[60, 71, 0, 2], [67, 70, 0, 1]],
  },
  "overlapping notes keep their own ends": {
    bytes: [on(0, 60, 70), on(1, 62, 71), off(2, 60), off(3, 62)],
    notes: [[60, 70, 0, 2], [62, 71, 1, 3]],
  },
  "a trill": {
    bytes: [on(0, 60, 90), off(0.25, 60), on(0.25, 62, 80), off(0.5, 62), on(0.5, 60, 85), off(0.75, 60)],
    notes: [[60, 90, 0, 0.25], [62, 80, 0.25, 0.5], [60, 85, 0.5, 0.75]],
  },
  "a key struck twice closes the first": {
    bytes: [on(0, 60, 100), on(1, 60, 90), off(2, 60), off(3, 60)],
    notes: [[60, 100, 0, 1], [60, 90, 1, 2]],
  },
  "a key that was hardly down is still a note": {
    bytes: [on(1, 60, 100), off(1, 60)],
    notes: [[60, 100, 1, 1 + SHORTEST]],
  },

  // Channels
  "every channel counts": {
    bytes: Array.from({ length: 16 }, (_, channel) => [
      on(channel / 4, 40 + channel, 80, channel),
      off((channel + 1) / 4, 40 + channel, channel),
    ]).flat(),
    notes: Array.from({ length: 16 }, (_, channel) => [40 + channel, 80, channel / 4, (channel + 1) / 4]),
  },
  "an off on another channel is another key's": {
    bytes: [on(0, 60, 80, 0), off(1, 60, 1), off(2, 60, 0)],
    notes: [[60, 80, 0, 2]],
  },
  "a keyboard with layered sounds plays one note, until its last layer ends": {
    bytes: [on(1, 60, 80, 0), on(1.002, 60, 75, 1), on(1.004, 60, 70, 2), off(2, 60, 1), off(2.001, 60, 0), off(2.5, 60, 2)],
    notes: [[60, 80, 1, 2.5]],
  },
  "a pitch struck on a second channel later is a second note": {
    bytes: [on(0, 60, 80, 1), on(1, 60, 90, 2), off(2, 60, 1), off(3, 60, 2)],
    notes: [[60, 80, 0, 1], [60, 90, 1, 3]],
  },

  // The turn's edges
  "a rest at the start is kept": { bytes: [on(2.5, 60, 90), off(3, 60)], notes: [[60, 90, 2.5, 3]] },
  "a note still held ends with the turn": { bytes: [on(3, 72, 64)], notes: [[72, 64, 3, 4]] },
  "a note let go after the turn ends with it": { bytes: [on(3.5, 72, 64), off(4.5, 72)], notes: [[72, 64, 3.5, 4]] },
  "a key struck a moment too early is on the turn's first beat": {
    bytes: [on(-0.1, 60, 90), off(1, 60)],
    notes: [[60, 90, 0, 1]],
  },
  "a key held from long before does not sound": { bytes: [on(-2, 60, 90), off(1, 60)], notes: [] },
  "what is played in the count-in is no part of the turn": {
    bytes: [on(-3, 60, 90), off(-2.5, 60), on(1, 64, 90), off(2, 64)],
    notes: [[64, 90, 1, 2]],
  },
  "a key struck after the turn is no part of it": { bytes: [on(4.25, 60, 90), off(4.5, 60)], notes: [] },
  "silence is a turn too": { bytes: [], notes: [] },

  // Time stamps
  "the stamp counts, not the order of arrival": {
    bytes: [on(1, 64, 90), on(0.5, 60, 80), off(2, 64), off(1.5, 60)],
    notes: [[60, 80, 0.5, 1.5], [64, 90, 1, 2]],
  },
  "a release that is stamped before its stroke": {
    bytes: [on(1, 60, 90), off(0.9, 60)],
    notes: [[60, 90, 1, 1 + SHORTEST]],
  },
  "several messages at one instant": {
    bytes: [on(1, 60, 90), off(2, 60), on(2, 60, 80), off(3, 60)],
    notes: [[60, 90, 1, 2], [60, 80, 2, 3]],
  },

  // The sustain pedal
  "the pedal holds what is let go, until it comes up": {
    bytes: [on(0, 60, 90), pedal(0.5, 127), off(1, 60), pedal(3, 0)],
    notes: [[60, 90, 0, 3]],
  },
  "a key held longer than the pedal ends with the key": {
    bytes: [pedal(0, 127), on(0, 60, 90), pedal(1, 0), off(2, 60)],
    notes: [[60, 90, 0, 2]],
  },
  "a key struck again under the pedal is a second note": {
    bytes: [pedal(0, 127), on(0, 60, 90), off(0.5, 60), on(1, 60, 80), off(1.5, 60), pedal(3, 0)],
    notes: [[60, 90, 0, 1], [60, 80, 1, 3]],
  },
  "a pedal down before the turn, and never up": {
    bytes: [pedal(-1, 127), on(0, 60, 90), off(1, 60)],
    notes: [[60, 90, 0, 4]],
  },
  "a half-pedal is down from the middle of its way on": {
    bytes: [pedal(0, 10), on(0, 60, 90), pedal(0.2, 63), off(0.5, 60), on(1, 62, 90), pedal(1.2, 64), off(1.5, 62), pedal(2, 100), pedal(3, 63), pedal(3.2, 20)],
    notes: [[60, 90, 0, 0.5], [62, 90, 1, 3]],
  },
  "the pedal on another channel is the same foot": {
    bytes: [control(0, 64, 127, 5), on(0, 60, 90, 0), off(1, 60, 0), control(2, 64, 0, 5)],
    notes: [[60, 90, 0, 2]],
  },
  "soft and sostenuto pedals change no length": {
    bytes: [control(0, 66, 127), control(0, 67, 127), on(0, 60, 90), off(1, 60)],
    notes: [[60, 90, 0, 1]],
  },
  "all notes off lets go of keys and pedal": {
    bytes: [on(0, 60, 90), pedal(0.5, 127), on(1, 64, 80), off(1.5, 64), control(2, 123, 0), off(3, 60)],
    notes: [[60, 90, 0, 2], [64, 80, 1, 2]],
  },
  "all sound off does, too": { bytes: [on(0, 60, 90), control(2, 120, 0)], notes: [[60, 90, 0, 2]] },

  // What is no key
  "other messages pass by, also in the middle of a note": {
    bytes: [
      [0, 0xf8], // clock
      on(0.5, 60, 90),
      [0.6, 0xfe], // active sensing
      [0.7, 0xe0, 0, 127], // pitch bend
      [0.8, 0xa0, 60, 0], // polyphonic pressure
      [0.9, 0xd0, 127], // channel pressure
      [1, 0xc0, 5], // program
      [1.1, 0xf0, 0x7e, 0x7f, 0x09, 0x01, 0xf7], // system exclusive: General MIDI on
      [1.2, 0xf0, 0x90, 0xf7], // one as long as a note
      [1.3, 0xf2, 60, 0], // song position
      [1.4, 0xfa], // start
      control(1.5, 1, 127), // modulation
      control(1.6, 7, 0), // volume
      off(2, 60),
    ],
    notes: [[60, 90, 0.5, 2]],
  },
  "broken messages pass by": {
    bytes: [[0], [0, 0x90], [0, 0x90, 60], [0, 0x90, 200, 100], [0, 0x90, 60, 200], [0, 0x90, 60, 9, 9], [0, 60, 90, 90]],
    notes: [],
  },
};

/** One turn of a bar, in which the messages arrive in their order, none before its stamp. */
function turnWith(messages: readonly Message[]): Turn | undefined {
  const session = new Session({ playerBars: 1, kakeaiBars: 1, beatsPerBar: BAR, tempo: qpm(60), pause: null });
  const atBeat = (atMs: number) => beats(atMs / MS_PER_BEAT);
  const keyboard = new MidiKeyboard({
    press: (pitch, velocity, atMs) => session.noteOn(pitch, velocity, atBeat(atMs)),
    release: (pitch, atMs) => session.noteOff(pitch, atBeat(atMs)),
  });
  const lead = beats(0.1);
  let now = -BAR;
  session.begin();
  for (const [stamp, ...bytes] of messages) {
    now = Math.max(now, stamp);
    session.advance(beats(now), lead);
    keyboard.receive(Uint8Array.from(bytes), stamp * MS_PER_BEAT);
  }
  session.advance(beats(Math.max(now, BAR)), lead);
  return session.turns(beats(now))[0];
}

test.each(Object.entries(STREAMS))("%s", (_, { bytes, notes }) => {
  const turn = turnWith(bytes);
  expect(turn?.who).toBe("player");
  expect(turn?.notes.map(({ pitch, velocity, start, end }) => [pitch, velocity, start, end])).toEqual(notes);
});

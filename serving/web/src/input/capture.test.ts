import { expect, test } from "vitest";
import { beats } from "../time";
import { Capture, readMessage } from "./capture";

/** Bytes at beats, as they come from a port → [pitch, velocity, start, end] of the notes in a turn of four beats. */
const STREAMS: Record<string, { bytes: [number, number[]][]; notes: [number, number, number, number][] }> = {
  "a stroke and its release": {
    bytes: [[0, [0x90, 60, 100]], [1, [0x80, 60, 64]]],
    notes: [[60, 100, 0, 1]],
  },
  "a note-on of velocity 0 is an off": {
    bytes: [[0, [0x90, 60, 100]], [1, [0x90, 60, 0]]],
    notes: [[60, 100, 0, 1]],
  },
  "every channel counts": {
    bytes: [[0, [0x9f, 62, 80]], [0.5, [0x8f, 62, 0]], [1, [0x93, 64, 81]], [2, [0x83, 64, 0]]],
    notes: [[62, 80, 0, 0.5], [64, 81, 1, 2]],
  },
  "a key struck twice closes the first": {
    bytes: [[0, [0x90, 60, 100]], [1, [0x90, 60, 90]], [2, [0x80, 60, 0]], [3, [0x80, 60, 0]]],
    notes: [[60, 100, 0, 1], [60, 90, 1, 2]],
  },
  "a note still held ends with the turn": {
    bytes: [[3, [0x90, 72, 1]]],
    notes: [[72, 1, 3, 4]],
  },
  "a release of nothing is nothing": {
    bytes: [[1, [0x80, 60, 0]], [2, [0x90, 61, 0]]],
    notes: [],
  },
  "a chord, in order of its pitches": {
    bytes: [[0, [0x90, 67, 70]], [0, [0x90, 60, 71]], [1, [0x80, 67, 0]], [2, [0x80, 60, 0]]],
    notes: [[60, 71, 0, 2], [67, 70, 0, 1]],
  },
  "overlapping notes keep their own ends": {
    bytes: [[0, [0x90, 60, 70]], [1, [0x90, 62, 71]], [2, [0x80, 60, 0]], [3, [0x80, 62, 0]]],
    notes: [[60, 70, 0, 2], [62, 71, 1, 3]],
  },
  "other messages pass by": {
    bytes: [
      [0, [0xb0, 64, 127]], // sustain pedal
      [0, [0xe0, 0, 64]], // pitch bend
      [0, [0xa0, 60, 50]], // polyphonic pressure
      [0, [0xc0, 5]], // program
      [0, [0xf8]], // clock
      [0, [0xfe]], // active sensing
    ],
    notes: [],
  },
  "broken messages pass by": {
    bytes: [[0, []], [0, [0x90]], [0, [0x90, 60]], [0, [0x90, 200, 100]], [0, [0x90, 60, 200]], [0, [0x90, 60, 9, 9]]],
    notes: [],
  },
  "a key that was hardly down is still a note": {
    bytes: [[1, [0x90, 60, 100]], [1, [0x80, 60, 0]]],
    notes: [[60, 100, 1, 1 + 1 / 32]],
  },
};

test.each(Object.entries(STREAMS))("%s", (_, { bytes, notes }) => {
  const capture = new Capture();
  for (const [beat, message] of bytes) {
    const key = readMessage(Uint8Array.from(message));
    if (key?.kind === "on") capture.on(key.pitch, key.velocity, beats(beat));
    if (key?.kind === "off") capture.off(key.pitch, beats(beat));
  }
  expect(capture.upTo(beats(4)).map(({ pitch, velocity, start, end }) => [pitch, velocity, start, end])).toEqual(notes);
});

test("looking at the notes so far closes nothing", () => {
  const capture = new Capture();
  capture.on(60, 100, beats(0));
  expect(capture.upTo(beats(1))).toHaveLength(1);
  capture.off(60, beats(3));
  expect(capture.upTo(beats(4))[0]?.end).toBe(3);
});

import { expect, test } from "vitest";
import { type Note } from "../session/turn";
import { beats } from "../time";
import { keyOf } from "./key";

const notes = (...pitches: number[]): Note[] =>
  pitches.map((pitch, i) => ({ pitch, velocity: 90, start: beats(i), end: beats(i + 1) }));

test.each([
  ["C major", [60, 62, 64, 65, 67, 69, 71, 72, 67, 64, 60], { tonic: 0, mode: "major" }],
  ["G major", [67, 71, 74, 72, 71, 69, 66, 67, 62, 67], { tonic: 7, mode: "major" }],
  ["A minor", [69, 71, 72, 74, 76, 77, 68, 69, 64, 69, 60], { tonic: 9, mode: "minor" }],
])("%s", (_, pitches, key) => {
  expect(keyOf(notes(...pitches))).toEqual(key);
});

test("a few notes have no key yet", () => {
  expect(keyOf([])).toBeNull();
  expect(keyOf(notes(60, 64, 67, 72))).toBeNull();
});

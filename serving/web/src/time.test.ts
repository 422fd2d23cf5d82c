import { expect, test } from "vitest";
import { beats, qpm, seconds, Timeline, toBeats, toSeconds } from "./time";

test("a beat at 240 quarter notes a minute lasts a quarter of a second", () => {
  expect(toSeconds(beats(1), qpm(240))).toBe(0.25);
  expect(toBeats(seconds(0.25), qpm(240))).toBe(1);
});

test("the count-in lies before beat 0", () => {
  const timeline = new Timeline(seconds(10), qpm(120));
  expect(timeline.instantOf(beats(-4))).toBe(8);
  expect(timeline.beatAt(seconds(8))).toBe(-4);
});

test("a tempo change moves nothing that came before it", () => {
  const timeline = new Timeline(seconds(10), qpm(120));
  timeline.changeTempo(beats(8), qpm(60));
  timeline.changeTempo(beats(12), qpm(240));
  expect([4, 8, 10, 12, 16].map((beat) => timeline.instantOf(beats(beat)))).toEqual([12, 14, 16, 18, 19]);
  for (const beat of [-4, 0, 7.5, 8, 9.25, 12, 100]) {
    expect(timeline.beatAt(timeline.instantOf(beats(beat)))).toBeCloseTo(beat, 9);
  }
});

test("the last word on one beat counts", () => {
  const timeline = new Timeline(seconds(0), qpm(120));
  timeline.changeTempo(beats(0), qpm(60));
  expect(timeline.tempos).toHaveLength(1);
  expect(timeline.instantOf(beats(1))).toBe(1);
});

test("no tempo change in the past", () => {
  const timeline = new Timeline(seconds(0), qpm(120));
  timeline.changeTempo(beats(8), qpm(60));
  expect(() => timeline.changeTempo(beats(4), qpm(90))).toThrow(RangeError);
});

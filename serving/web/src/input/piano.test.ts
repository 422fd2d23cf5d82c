import { expect, test } from "vitest";
import { BLACK_HEIGHT, keyAt, lowestOf, pianoKeys, velocityAt, whitesIn } from "./piano";

const OCTAVE = pianoKeys(60, 8);

test("an octave from C to C", () => {
  expect(OCTAVE.filter(({ black }) => !black).map(({ pitch }) => pitch)).toEqual([60, 62, 64, 65, 67, 69, 71, 72]);
  expect(OCTAVE.filter(({ black }) => black).map(({ pitch }) => pitch)).toEqual([61, 63, 66, 68, 70]);
});

test("the finger finds the key that it touches", () => {
  const at = (x: number, y: number) => keyAt(OCTAVE, x, y)?.pitch;
  expect(at(0.01, 0.9)).toBe(60);
  expect(at(1 / 8, 0.1)).toBe(61); // between C and D lies C sharp ...
  expect(at(1 / 8 - 0.01, BLACK_HEIGHT + 0.01)).toBe(60); // ... but not in front of it
  expect(at(3 / 8, 0.1)).toBe(65); // nothing lies between E and F
  expect(at(0.999, 0.5)).toBe(72);
  expect([at(-0.01, 0.5), at(1, 0.5), at(0.5, -0.1), at(0.5, 1.1)]).toEqual(Array(4).fill(undefined));
});

test("the keys fill the width without gaps, and every pitch once", () => {
  for (const whites of [8, 14, 22, 29]) {
    const keys = pianoKeys(48, whites);
    const last = keys[whites - 1];
    expect((last?.left ?? 0) + (last?.width ?? 0)).toBeCloseTo(1);
    expect(new Set(keys.map(({ pitch }) => pitch)).size).toBe(keys.length);
    const pitches = keys.map(({ pitch }) => pitch).sort((a, b) => a - b);
    expect(pitches).toEqual(pitches.map((_, index) => 48 + index));
  }
});

test("the piano fits the screen, and the highest key is a MIDI note", () => {
  expect([360, 768, 1280, 4000].map(whitesIn)).toEqual([8, 16, 27, 29]);
  expect([lowestOf(60, 8), lowestOf(60, 27)]).toEqual([60, 48]);
  expect(Math.max(...pianoKeys(lowestOf(96, 29), 29).map(({ pitch }) => pitch))).toBeLessThan(128);
});

test("further down is louder", () => {
  const [key] = OCTAVE;
  expect(key && [velocityAt(key, 0), velocityAt(key, 1)]).toEqual([50, 115]);
});

import { expect, test } from "vitest";
import type { Turn } from "../session/turn";
import { beats, qpm } from "../time";
import { startFrame } from "./protocol";

const turns = (count: number, bars: number): Turn[] =>
  Array.from({ length: count }, () => ({
    who: "player",
    start: beats(0),
    bars,
    length: beats(4 * bars),
    tempo: qpm(120),
    notes: [],
    take: null,
  }));

test.each([
  [1, 4, 33], // 512 sixteenths, and one turn before them
  [4, 4, 9],
  [8, 4, 5],
  [1, 3, 43],
])("of turns of %i bars of %i beats, a start has the last %i", (bars, beatsPerBar, expected) => {
  expect(startFrame(qpm(120), beatsPerBar, turns(100, bars)).history).toHaveLength(expected);
  expect(startFrame(qpm(120), beatsPerBar, turns(2, bars)).history).toHaveLength(2);
});

import { expect, test } from "vitest";
import { beats } from "../time";
import { Capture } from "./capture";

test("looking at the notes so far closes nothing", () => {
  const capture = new Capture();
  capture.on(60, 100, beats(0));
  expect(capture.upTo(beats(1))).toHaveLength(1);
  capture.off(60, beats(3));
  expect(capture.upTo(beats(4))[0]?.end).toBe(3);
});

import { expect, test } from "vitest";
import { Pedal } from "./pedal";
import { Tap } from "./tap";

function heard(play: (pedal: Pedal) => void): string[] {
  const said: string[] = [];
  play(
    new Pedal({
      press: (pitch, velocity, atMs) => said.push(`on ${pitch} ${velocity} ${atMs}`),
      release: (pitch, atMs) => said.push(`off ${pitch} ${atMs}`),
    }),
  );
  return said;
}

test("keys let go under the pedal sound until it comes up", () => {
  const said = heard((pedal) => {
    pedal.press(60, 90, 1);
    pedal.move(true, 2);
    pedal.release(60, 3);
    pedal.press(62, 80, 4);
    pedal.move(false, 5);
    pedal.release(62, 6);
  });
  expect(said).toEqual(["on 60 90 1", "on 62 80 4", "off 60 5", "off 62 6"]);
});

test("a key struck again under the pedal is down again when the pedal comes up", () => {
  const said = heard((pedal) => {
    pedal.press(60, 90, 1);
    pedal.move(true, 2);
    pedal.release(60, 3);
    pedal.press(60, 70, 4);
    pedal.move(false, 5);
    pedal.release(60, 6);
  });
  expect(said).toEqual(["on 60 90 1", "on 60 70 4", "off 60 6"]);
});

test("taps tell a tempo, whatever one of them does, and a long rest begins anew", () => {
  const tap = new Tap();
  expect([0, 500, 1000].map((at) => tap.tap(at))).toEqual([null, 120, 120]);
  expect(tap.tap(1900)).toBe(120); // one slip
  expect(tap.tap(2400)).toBe(120);
  expect(tap.tap(9000)).toBeNull();
  expect(tap.tap(9600)).toBe(100);
});

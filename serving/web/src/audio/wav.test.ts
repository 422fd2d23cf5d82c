import { expect, test } from "vitest";
import { wavFile } from "./wav";

test("a WAV file of two channels, sample by sample", () => {
  const bytes = wavFile([new Float32Array([0, 1, -1]), new Float32Array([0.5, 2, -2])], 44_100);
  const view = new DataView(bytes.buffer);
  const text = (at: number, length: number) => String.fromCharCode(...bytes.slice(at, at + length));
  expect([text(0, 4), text(8, 8), text(36, 4)]).toEqual(["RIFF", "WAVEfmt ", "data"]);
  expect(view.getUint32(4, true)).toBe(bytes.length - 8);
  expect([22, 32, 34].map((at) => view.getUint16(at, true))).toEqual([2, 4, 16]);
  expect([24, 28, 40].map((at) => view.getUint32(at, true))).toEqual([44_100, 176_400, 12]);
  const samples = Array.from({ length: 6 }, (_, i) => view.getInt16(44 + 2 * i, true));
  expect(samples).toEqual([0, 16384, 32767, 32767, -32767, -32767]);
});

import { parseMidi } from "midi-file";
import { expect, test } from "vitest";
import { type Turn, type Who } from "../session/turn";
import { beats, qpm } from "../time";
import { dialogueFile } from "./file";

const NAMES = { player: "You", kakeai: "Kakeai" };
const TAKE = { model: "tiny", version: 3, seed: 123456789, temperature: 1.1 };
const turn = (who: Who, start: number, notes: [number, number, number][], tempo = qpm(120)): Turn => ({
  who,
  start: beats(start),
  bars: 1,
  length: beats(4),
  tempo,
  notes: notes.map(([pitch, from, to]) => ({ pitch, velocity: 90, start: beats(from), end: beats(to) })),
  take: who === "kakeai" ? TAKE : null,
});
const TURNS = [turn("player", 0, [[60, 0, 1], [60, 1, 2]]), turn("kakeai", 4, [[67, 0.5, 4]]), turn("player", 8, [], qpm(90))];

const read = (turns = TURNS, names = NAMES) => parseMidi(dialogueFile({ beatsPerBar: 4, turns }, names));

/** [tick, type, note] of a track's notes. */
const strokes = (track: ReturnType<typeof read>["tracks"][number]) => {
  let tick = 0;
  return track.flatMap((event) => {
    tick += event.deltaTime;
    return event.type === "noteOn" || event.type === "noteOff" ? [[tick, event.type, event.noteNumber]] : [];
  });
};

test("two named tracks behind the conductor's", () => {
  const { header, tracks } = read();
  expect(header).toMatchObject({ format: 1, numTracks: 3, ticksPerBeat: 480 });
  expect(tracks.map((track) => track.find(({ type }) => type === "trackName"))).toMatchObject([
    { text: "Kakeai session" },
    { text: "You" },
    { text: "Kakeai" },
  ]);
});

test("notes lie at their beats, each voice on its own channel, an end before a new start", () => {
  const { tracks } = read();
  expect(strokes(tracks[1] ?? [])).toEqual([
    [0, "noteOn", 60],
    [480, "noteOff", 60],
    [480, "noteOn", 60],
    [960, "noteOff", 60],
  ]);
  expect(strokes(tracks[2] ?? [])).toEqual([
    [4.5 * 480, "noteOn", 67],
    [8 * 480, "noteOff", 67],
  ]);
  expect(tracks[2]?.find(({ type }) => type === "noteOn")).toMatchObject({ channel: 1, velocity: 90 });
});

test("the first track tells tempo, metre, model, version and seed", () => {
  const [conductor] = read().tracks;
  const of = (kind: string) => conductor?.filter(({ type }) => type === kind);
  expect(of("setTempo")).toMatchObject([{ microsecondsPerBeat: 500_000 }, { microsecondsPerBeat: 666_667 }]);
  expect(of("timeSignature")).toMatchObject([{ numerator: 4, denominator: 4 }]);
  expect(of("text")).toMatchObject([{ text: "model tiny, version 3, seed 123456789, temperature 1.1" }]);
});

test("names may be in any script", () => {
  const name = read(TURNS, { player: "あなた", kakeai: "掛け合い" }).tracks[1]?.find(({ type }) => type === "trackName");
  const bytes = Uint8Array.from(name && "text" in name ? name.text : "", (character) => character.charCodeAt(0));
  expect(new TextDecoder().decode(bytes)).toBe("あなた");
});

test("a dialogue without notes is a file too", () => {
  expect(read([]).tracks.map((track) => track.at(-1)?.type)).toEqual(["endOfTrack", "endOfTrack", "endOfTrack"]);
});

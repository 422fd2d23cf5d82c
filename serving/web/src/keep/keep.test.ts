import { deflateRawSync } from "node:zlib";
import { expect, test } from "vitest";
import { type Piece } from "../session/piece";
import { type Turn, type Who } from "../session/turn";
import { beats, qpm } from "../time";
import { fragmentOf, pieceIn } from "./link";
import { pack, unpack } from "./packed";
import { Shelf } from "./shelf";

const TAKE = { model: "tiny", version: 3, seed: 2 ** 53 - 1, temperature: 1.1 };
const turn = (who: Who, start: number, tempo: number, notes: [number, number, number][]): Turn => ({
  who,
  start: beats(start),
  bars: 1,
  length: beats(3),
  tempo: qpm(tempo),
  notes: notes.map(([pitch, from, to]) => ({ pitch, velocity: 90, start: beats(from), end: beats(to) })),
  take: who === "kakeai" ? TAKE : null,
});
const PIECE: Piece = {
  beatsPerBar: 3,
  turns: [turn("player", 0, 96, [[60, 0.25, 1], [64, 1, 3]]), turn("kakeai", 3, 110.5, [[127, 0, 0.25]]), turn("player", 6, 96, [])],
};

const linkTo = (text: string): string => `#session=${deflateRawSync(text).toString("base64url")}`;

test("a session comes back from its link as it was", async () => {
  const fragment = await fragmentOf(PIECE);
  expect(fragment).toMatch(/^session=[A-Za-z0-9_-]+$/);
  expect(await pieceIn(`#${fragment}`)).toEqual(PIECE);
});

test("a long session makes a link that chats and mails still take", async () => {
  const melody = (offset: number) => Array.from({ length: 24 }, (_, i): [number, number, number] => [55 + ((i * 7 + offset) % 20), i / 8, (i + 1) / 8]);
  const turns = Array.from({ length: 64 }, (_, i) => turn(i % 2 ? "kakeai" : "player", 3 * i, 110, melody(i)));
  expect((await fragmentOf({ beatsPerBar: 3, turns })).length).toBeLessThan(8000);
});

test("what is no session in a link is none", async () => {
  const packed = JSON.stringify(pack(PIECE));
  expect(await pieceIn(linkTo(packed))).toEqual(PIECE);
  const wrong = [
    "",
    "#other",
    "#session=",
    "#session=%%%",
    `#session=${(await fragmentOf(PIECE)).slice(8, 40)}`, // cut short
    linkTo("null"),
    linkTo("[1,4]"),
    linkTo("[2,4,[]]"), // of a later version
    linkTo(packed.replace("[127,", "[128,")),
    linkTo(packed.replace("110.5", "1e999")),
    linkTo(packed.replace('"tiny"', "7")),
    linkTo(packed.replace("[0,1,96", "[0,1000000,96")),
    linkTo(" ".repeat(2 ** 21) + packed), // unpacks to too much
  ];
  for (const fragment of wrong) expect(await pieceIn(fragment), fragment.slice(0, 60)).toBeNull();
});

test("a note that is said to sound beyond its turn ends with it", () => {
  const piece = unpack([1, 4, [[0, 1, 120, [[60, 90, 480, 1920]], null]]]);
  expect(piece?.turns[0]?.notes).toEqual([{ pitch: 60, velocity: 90, start: 1, end: 4 }]);
});

class Memory {
  text: string | null = null;
  constructor(readonly room = Infinity) {}
  getItem = (): string | null => this.text;
  setItem = (_: string, text: string): void => {
    if (text.length > this.room) throw new DOMException("full", "QuotaExceededError");
    this.text = text;
  };
}

test("kept sessions come back, newest first, and a later state takes the place of an earlier one", () => {
  const memory = new Memory();
  const shelf = new Shelf(memory);
  shelf.keep({ id: "a", atMs: 1, piece: PIECE });
  shelf.keep({ id: "b", atMs: 2, piece: PIECE });
  shelf.keep({ id: "a", atMs: 3, piece: { ...PIECE, turns: PIECE.turns.slice(0, 1) } });
  expect(new Shelf(memory).all().map(({ id, atMs, piece }) => [id, atMs, piece.turns.length])).toEqual([
    ["a", 3, 1],
    ["b", 2, 3],
  ]);
  expect(shelf.remove("a").map(({ id }) => id)).toEqual(["b"]);
  expect(new Shelf(memory).all()).toHaveLength(1);
});

test("where there is no room, the oldest sessions give way", () => {
  const memory = new Memory(600);
  const shelf = new Shelf(memory);
  for (const id of "abcdefgh") shelf.keep({ id, atMs: 0, piece: PIECE });
  const kept = shelf.all().map(({ id }) => id);
  expect(kept[0]).toBe("h");
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThan(8);
});

test("a storage with something else in it is an empty one", () => {
  const memory = new Memory();
  for (const text of ["{", "7", "[7]", '[["a",1,[9]]]']) {
    memory.text = text;
    expect(new Shelf(memory).all()).toEqual([]);
  }
});

/** A piece as little JSON: for links and for the browser's storage. What comes back from there is a stranger's. */

import { type Piece } from "../session/piece";
import { endToEnd, type Note, type Take, type Turn } from "../session/turn";
import { beats, qpm } from "../time";

const VERSION = 1;
const TICKS_PER_BEAT = 480;
const WHO = ["player", "kakeai"] as const;
const MOST = { turns: 1000, notes: 2000, bars: 64, beatsPerBar: 16 } as const;
const TEMPOS = { slowest: 10, fastest: 500 } as const; // what a gateway takes

type PackedNote = [pitch: number, velocity: number, startTicks: number, lengthTicks: number];
type PackedTake = [model: string, version: number, seed: number, temperature: number];
type PackedTurn = [who: number, bars: number, tempo: number, notes: PackedNote[], take: PackedTake | null];
type Packed = [version: number, beatsPerBar: number, turns: PackedTurn[]];

export function pack({ beatsPerBar, turns }: Piece): Packed {
  return [VERSION, beatsPerBar, turns.map((turn) => packTurn(turn))];
}

function packTurn({ who, bars, tempo, notes, take }: Turn): PackedTurn {
  const packed = notes.map(({ pitch, velocity, start, end }): PackedNote => {
    const from = Math.round(start * TICKS_PER_BEAT);
    return [pitch, velocity, from, Math.max(1, Math.round(end * TICKS_PER_BEAT) - from)];
  });
  return [WHO.indexOf(who), bars, tempo, packed, take && [take.model, take.version, take.seed, take.temperature]];
}

/** The piece that was packed, or null if this is none. */
export function unpack(packed: unknown): Piece | null {
  if (!Array.isArray(packed) || packed.length !== 3 || packed[0] !== VERSION) return null;
  const [, beatsPerBar, packedTurns] = packed as unknown[];
  if (!isWhole(beatsPerBar, 1, MOST.beatsPerBar) || !isList(packedTurns, MOST.turns)) return null;
  const turns: Turn[] = [];
  for (const packedTurn of packedTurns) {
    const turn = unpackTurn(packedTurn, beatsPerBar);
    if (!turn) return null;
    turns.push(turn);
  }
  return { beatsPerBar, turns: endToEnd(turns) };
}

function unpackTurn(packed: unknown, beatsPerBar: number): Turn | null {
  if (!isList(packed, 5)) return null;
  const [whoIndex, bars, tempo, packedNotes, packedTake] = packed;
  if (!isWhole(whoIndex, 0, 1) || !isWhole(bars, 1, MOST.bars) || !isList(packedNotes, MOST.notes)) return null;
  if (!isNumber(tempo, TEMPOS.slowest, TEMPOS.fastest)) return null;
  const length = beats(bars * beatsPerBar);
  const notes = packedNotes.map((note) => unpackNote(note, length));
  const take = packedTake === null ? null : unpackTake(packedTake);
  if (take === undefined || notes.includes(null)) return null;
  const who = whoIndex === 0 ? "player" : "kakeai";
  return { who, start: beats(0), bars, length, tempo: qpm(tempo), notes: notes.filter((note) => note !== null), take };
}

function unpackNote(packed: unknown, length: number): Note | null {
  if (!isList(packed, 4)) return null;
  const [pitch, velocity, start, lasting] = packed;
  if (!isWhole(pitch, 0, 127) || !isWhole(velocity, 1, 127)) return null;
  const ticks = length * TICKS_PER_BEAT;
  if (!isWhole(start, 0, ticks - 1) || !isWhole(lasting, 1, ticks)) return null;
  const end = Math.min(ticks, start + lasting);
  return { pitch, velocity, start: beats(start / TICKS_PER_BEAT), end: beats(end / TICKS_PER_BEAT) };
}

function unpackTake(packed: unknown): Take | undefined {
  if (!isList(packed, 4)) return undefined;
  const [model, version, seed, temperature] = packed;
  if (typeof model !== "string" || model.length > 100) return undefined;
  if (!isWhole(version, 0, Number.MAX_SAFE_INTEGER) || !isWhole(seed, 0, Number.MAX_SAFE_INTEGER)) return undefined;
  return isNumber(temperature, 0, 10) ? { model, version, seed, temperature } : undefined;
}

const isList = (value: unknown, most: number): value is unknown[] => Array.isArray(value) && value.length <= most;
const isNumber = (value: unknown, least: number, most: number): value is number =>
  typeof value === "number" && value >= least && value <= most;
const isWhole = (value: unknown, least: number, most: number): value is number =>
  isNumber(value, least, most) && Number.isInteger(value);

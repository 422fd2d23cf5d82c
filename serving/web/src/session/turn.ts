/** What a dialogue is made of. */

import { type Beats, beats, type Qpm } from "../time";

export type Who = "player" | "kakeai";

/** A note of a turn; its times count from the turn's start. */
export interface Note {
  readonly pitch: number; // MIDI, 0..127
  readonly velocity: number; // 1..127
  readonly start: Beats;
  readonly end: Beats;
}

/** What a model says about an answer of its own: enough to get the same answer again. */
export interface Take {
  readonly model: string;
  readonly version: number;
  readonly seed: number;
  readonly temperature: number;
}

export interface Turn {
  readonly who: Who;
  readonly start: Beats; // of the session
  readonly bars: number;
  readonly length: Beats;
  readonly tempo: Qpm;
  readonly notes: readonly Note[];
  readonly take: Take | null; // the player's turns have none
}

export const endOf = (turn: Turn): Beats => beats(turn.start + turn.length);

/** Notes as they sound within a length: none starts at or after it, and it cuts those that go on. */
export const within = (notes: readonly Note[], length: Beats): Note[] =>
  notes.filter(({ start }) => start < length).map((note) => ({ ...note, end: beats(Math.min(note.end, length)) }));

/** The same turns end to end from beat 0, whenever they were played. */
export function endToEnd(turns: readonly Turn[]): Turn[] {
  let start = beats(0);
  return turns.map((turn) => {
    const placed = { ...turn, start };
    start = endOf(placed);
    return placed;
  });
}

/** What is left when the player's last turn, and what Kakeai answered it, are taken back. */
export const withoutLastExchange = (turns: readonly Turn[]): Turn[] =>
  turns.slice(0, Math.max(0, turns.findLastIndex(({ who }) => who === "player")));

/** The turn that runs at a beat; the last one behind the end, null before the first. */
export const turnAt = (turns: readonly Turn[], at: Beats): Turn | null =>
  turns.findLast(({ start }) => start <= at) ?? null;

/** The pitches of a turn that sound at a beat of the session. */
export const soundingAt = ({ start, notes }: Turn, at: Beats): readonly number[] =>
  notes.filter((note) => note.start <= at - start && at - start < note.end).map(({ pitch }) => pitch);

/** How many notes each has played. */
export function countNotes(turns: readonly Turn[]): Record<Who, number> {
  const counts = { player: 0, kakeai: 0 };
  for (const { who, notes } of turns) counts[who] += notes.length;
  return counts;
}

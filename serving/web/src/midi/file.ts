/** A dialogue as a Standard MIDI File (format 1): tempo and model in the first track, then one track for each voice. */

import { type MidiEvent, writeMidi } from "midi-file";
import { type Piece, temposOf } from "../session/piece";
import { type Take, type Turn, type Who } from "../session/turn";

const TICKS_PER_BEAT = 480;
const MICROSECONDS_PER_MINUTE = 60_000_000;
const CHANNELS: Record<Who, number> = { player: 0, kakeai: 1 };

/** An event at its tick; the file wants the distance to the event before it. */
type Placed = readonly [tick: number, event: MidiEvent];

export function dialogueFile(piece: Piece, names: Record<Who, string>): Uint8Array<ArrayBuffer> {
  const { turns } = piece;
  const tracks = [conductor(piece), voice(turns, "player", names), voice(turns, "kakeai", names)];
  return Uint8Array.from(
    writeMidi({
      header: { format: 1, numTracks: tracks.length, ticksPerBeat: TICKS_PER_BEAT },
      tracks: tracks.map(inSequence),
    }),
  );
}

/** Tempo, metre, and where each answer comes from, so that it can be asked for again. */
function conductor(piece: Piece): Placed[] {
  const { turns, beatsPerBar } = piece;
  const metre = { numerator: beatsPerBar, denominator: 4, metronome: 24, thirtyseconds: 8 };
  return [
    [0, { deltaTime: 0, meta: true, type: "trackName", text: "Kakeai session" }],
    [0, { deltaTime: 0, meta: true, type: "timeSignature", ...metre }],
    ...temposOf(piece).map(({ at, tempo }): Placed => {
      const microsecondsPerBeat = Math.round(MICROSECONDS_PER_MINUTE / tempo);
      return [ticks(at), { deltaTime: 0, meta: true, type: "setTempo", microsecondsPerBeat }];
    }),
    ...turns.flatMap(({ start, take }): Placed[] =>
      take ? [[ticks(start), { deltaTime: 0, meta: true, type: "text", text: latin1(provenance(take)) }]] : [],
    ),
  ];
}

const provenance = ({ model, version, seed, temperature }: Take): string =>
  `model ${model}, version ${version}, seed ${seed}, temperature ${temperature}`;

function voice(turns: readonly Turn[], who: Who, names: Record<Who, string>): Placed[] {
  const channel = CHANNELS[who];
  const notes = turns
    .filter((turn) => turn.who === who)
    .flatMap((turn) =>
      turn.notes.flatMap(({ pitch, velocity, start, end }): Placed[] => {
        const on = ticks(turn.start + start);
        const off = Math.max(on + 1, ticks(turn.start + end));
        return [
          [on, { deltaTime: 0, type: "noteOn", channel, noteNumber: pitch, velocity }],
          [off, { deltaTime: 0, type: "noteOff", channel, noteNumber: pitch, velocity: 0 }],
        ];
      }),
    );
  return [
    [0, { deltaTime: 0, meta: true, type: "trackName", text: latin1(names[who]) }],
    [0, { deltaTime: 0, type: "programChange", channel, programNumber: 0 }],
    ...notes,
  ];
}

const ticks = (beat: number): number => Math.round(beat * TICKS_PER_BEAT);

/** Order by tick, an end before a start on the same tick, and say each as the distance to the one before. */
function inSequence(placed: readonly Placed[]): MidiEvent[] {
  const rank = ({ type }: MidiEvent): number => (type === "noteOff" ? 0 : 1);
  const sorted = [...placed].sort(([a, x], [b, y]) => a - b || rank(x) - rank(y));
  const last = sorted.at(-1)?.[0] ?? 0;
  let before = 0;
  const events = sorted.map(([tick, event]) => {
    const deltaTime = tick - before;
    before = tick;
    return { ...event, deltaTime };
  });
  return [...events, { deltaTime: last - before, meta: true, type: "endOfTrack" }];
}

/** UTF-8 bytes, one in each character: midi-file writes characters as bytes. */
const latin1 = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));

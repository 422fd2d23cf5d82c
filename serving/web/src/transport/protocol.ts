/** The frames of `WS v1/session`, as the gateway speaks them: notes in seconds from their phrase's start. */

import { type Note, type Take, type Turn, type Who } from "../session/turn";
import { type Qpm, qpm, type Seconds, seconds, toBeats, toSeconds } from "../time";

/** The subprotocol of a session's WebSocket, to be offered beside the one that carries the token. */
export const SUBPROTOCOL = "kakeai";
export const subprotocolOf = (token: string): string => `bearer.${token}`;

export interface WireNote {
  readonly pitch: number;
  readonly start: number; // seconds
  readonly end: number; // seconds
  readonly velocity: number;
}

/** What the page shows of a model card; a card may hold less, and holds more. */
export interface Card {
  readonly config?: string;
  readonly corpus?: { readonly num_files?: number };
  readonly created?: string; // ISO 8601
}

interface WireTurn {
  readonly who: Who;
  readonly bars: number;
  readonly notes: readonly WireNote[];
}

export interface Start {
  readonly type: "start";
  readonly session?: string; // this and the version are of the last `ready`, on another connection of one session
  readonly version?: number;
  readonly model?: string; // the gateway's choice by default
  readonly qpm: number;
  readonly beats_per_bar: number;
  readonly history: readonly WireTurn[];
}

export interface Call {
  readonly type: "call";
  readonly turn: number;
  readonly bars: number;
  readonly answer_bars: number;
  readonly notes: readonly WireNote[];
  readonly temperature: number;
  readonly dynamics: Dynamics;
  readonly due: number; // seconds from now until the answer's turn
  readonly keep?: boolean; // the player agrees that these notes are kept
}

/** `follow`: an answer has the velocities and the timing of the phrase it answers; `flat`: it is straight. */
export type Dynamics = "follow" | "flat";

export interface Adopt {
  readonly type: "adopt";
  readonly version: number;
}

export interface TempoFrame {
  readonly type: "tempo";
  readonly qpm: number;
}

export interface Ready {
  readonly type: "ready";
  readonly session: string;
  readonly model: string;
  readonly version: number;
  readonly card: Card | null;
  readonly collects?: boolean; // whether the gateway keeps what players agree to
}

export interface Answer {
  readonly type: "answer";
  readonly turn: number;
  readonly notes: readonly WireNote[];
  readonly take: Take;
}

/** A newer version of the model is served; the session keeps its own until it adopts this one. */
export interface Release {
  readonly type: "release";
  readonly version: number;
}

/** Problem details (RFC 9457). */
export interface Problem {
  readonly type: "error";
  readonly title: string;
  readonly status: number; // of HTTP
  readonly detail: string;
  readonly turn?: number | null;
}

const HEARD_SIXTEENTHS = 512; // of the past: a model uses no more
const SIXTEENTHS_PER_BEAT = 4;

/** The last turns, until they have more than a model hears. */
function heard(turns: readonly Turn[], beatsPerBar: number): readonly Turn[] {
  let sixteenths = 0;
  let first = turns.length;
  while (first > 0 && sixteenths <= HEARD_SIXTEENTHS) {
    first -= 1;
    sixteenths += (turns[first]?.bars ?? 0) * beatsPerBar * SIXTEENTHS_PER_BEAT;
  }
  return turns.slice(first);
}

export const startFrame = (
  tempo: Qpm,
  beatsPerBar: number,
  history: readonly Turn[],
  model: string | null = null,
): Start => ({
  type: "start",
  ...(model === null ? {} : { model }),
  qpm: tempo,
  beats_per_bar: beatsPerBar,
  history: heard(history, beatsPerBar).map(({ who, bars, notes }) => ({ who, bars, notes: toWire(notes, tempo) })),
});

/** What the player asks for, the notes aside. */
type Wishes = Pick<Call, "answer_bars" | "temperature" | "dynamics" | "keep">;

/** @param due how long from now the answer's turn begins */
export const callFrame = (number: number, { bars, notes }: Turn, tempo: Qpm, due: Seconds, wishes: Wishes): Call => ({
  type: "call",
  turn: number,
  bars,
  notes: toWire(notes, tempo),
  due: Math.max(0, due),
  ...wishes,
});

export const toWire = (notes: readonly Note[], tempo: Qpm): WireNote[] =>
  notes.map(({ pitch, velocity, start, end }) => ({
    pitch,
    velocity,
    start: toSeconds(start, tempo),
    end: toSeconds(end, tempo),
  }));

export const fromWire = (notes: readonly WireNote[], tempo: number): Note[] =>
  notes.map(({ pitch, velocity, start, end }) => ({
    pitch,
    velocity,
    start: toBeats(seconds(start), qpm(tempo)),
    end: toBeats(seconds(end), qpm(tempo)),
  }));

export type Frame = Ready | Answer | Release | Problem;
const KNOWN: ReadonlySet<unknown> = new Set<Frame["type"]>(["ready", "answer", "release", "error"]);

/** A frame from the gateway; null if it is none that this page knows. */
export function readFrame(text: string): Frame | null {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return null;
  }
  const type = typeof frame === "object" && frame !== null && "type" in frame ? frame.type : null;
  return KNOWN.has(type) ? (frame as Frame) : null;
}

/** A dialogue as a piece of music: what is kept, shared, written to files and played back. */

import { type Beats, beats, qpm, type Seconds, type TempoChange, Timeline } from "../time";
import { endOf, type Turn } from "./turn";

export interface Piece {
  readonly beatsPerBar: number;
  readonly turns: readonly Turn[]; // end to end from beat 0
}

const TEMPO_OF_NOTHING = qpm(120);

export const lengthOf = ({ turns }: Piece): Beats => {
  const last = turns.at(-1);
  return last ? endOf(last) : beats(0);
};

export const barsOf = ({ turns }: Piece): number => turns.reduce((sum, turn) => sum + turn.bars, 0);

/** The tempo at the beginning, and each change of it. */
export function temposOf({ turns }: Piece): TempoChange[] {
  const changes: TempoChange[] = [];
  for (const { start, tempo } of turns) {
    if (tempo !== changes.at(-1)?.tempo) changes.push({ at: start, tempo });
  }
  return changes;
}

/** The piece's beats as instants, when beat 0 is at `origin`. */
export function timelineOf(piece: Piece, origin: Seconds): Timeline {
  const [first, ...changes] = temposOf(piece);
  const timeline = new Timeline(origin, first?.tempo ?? TEMPO_OF_NOTHING);
  for (const { at, tempo } of changes) timeline.changeTempo(at, tempo);
  return timeline;
}

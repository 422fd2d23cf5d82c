/** What the views show of the music: the running turn, and the dialogue in figures. Brought up to date on every frame. */

import { type Key, keyOf } from "./music/key";
import { countNotes, soundingAt, type Turn, type Who } from "./session/turn";
import { type Beats } from "./time";

const NOTHING: readonly number[] = [];

export class Display {
  /** The running turn; null while nothing runs. */
  turn = $state.raw<Turn | null>(null);
  /** Whole beats into the turn; negative while it is counted in. */
  beat = $state(0);
  /** The pitches that Kakeai plays now. */
  answering = $state.raw<readonly number[]>(NOTHING);
  /** The notes of the dialogue so far. */
  counts = $state.raw<Record<Who, number>>({ player: 0, kakeai: 0 });
  /** The key of the dialogue so far; null while there is too little to tell. */
  key = $state.raw<Key | null>(null);

  /** Whether the dialogue has a note. */
  get hasNotes(): boolean {
    return this.counts.player + this.counts.kakeai > 0;
  }

  /**
   * @param turn the running turn
   * @param turns the dialogue so far
   * @param kakeaiPlays whether the turn is Kakeai's and sounds
   */
  update(now: Beats, turn: Turn | null, turns: readonly Turn[], kakeaiPlays: boolean): void {
    this.turn = turn;
    this.beat = turn ? Math.floor(now - turn.start) : 0;
    this.answering = kakeaiPlays && turn ? soundingAt(turn, now) : NOTHING;
    const counts = countNotes(turns);
    if (counts.player === this.counts.player && counts.kakeai === this.counts.kakeai) return;
    this.counts = counts;
    this.key = keyOf(turns.flatMap(({ notes }) => notes));
  }
}

/**
 * Musical and physical time. Each unit is a type of its own, so that a number in the wrong unit does not compile;
 * the conversions between them are here and nowhere else.
 */

declare const unit: unique symbol;

/** Physical time; an instant is seconds on the audio clock. */
export type Seconds = number & { readonly [unit]: "seconds" };

/** Musical time in quarter notes; beat 0 is the first beat of the first turn, the count-in lies before it. */
export type Beats = number & { readonly [unit]: "beats" };

/** Tempo: quarter notes a minute. */
export type Qpm = number & { readonly [unit]: "qpm" };

export const seconds = (value: number): Seconds => value as Seconds;
export const beats = (value: number): Beats => value as Beats;
export const qpm = (value: number): Qpm => value as Qpm;

/** How long a stretch of music lasts at a tempo. */
export const toSeconds = (length: Beats, tempo: Qpm): Seconds => seconds((length * 60) / tempo);

/** How much music a stretch of time holds at a tempo. */
export const toBeats = (length: Seconds, tempo: Qpm): Beats => beats((length * tempo) / 60);

/** From `at` on, music goes at `tempo`. */
export interface TempoChange {
  readonly at: Beats;
  readonly tempo: Qpm;
}

/** The one conversion between the audio clock and the beats of a session, through all its tempo changes. */
export class Timeline {
  readonly #anchors: [Anchor, ...Anchor[]];

  /** @param origin where beat 0 lies on the audio clock */
  constructor(origin: Seconds, tempo: Qpm) {
    this.#anchors = [{ at: beats(0), instant: origin, tempo }];
  }

  get tempos(): readonly TempoChange[] {
    return this.#anchors;
  }

  get tempo(): Qpm {
    return this.#last.tempo;
  }

  /** Change the tempo from a beat on, which is no earlier than the change before it. */
  changeTempo(at: Beats, tempo: Qpm): void {
    if (at < this.#last.at) throw new RangeError(`beat ${at} lies before the last tempo change at ${this.#last.at}`);
    const anchor = { at, instant: this.instantOf(at), tempo };
    if (at === this.#last.at) this.#anchors.pop();
    this.#anchors.push(anchor);
  }

  instantOf(beat: Beats): Seconds {
    const anchor = this.#anchors.findLast(({ at }) => at <= beat) ?? this.#anchors[0];
    return seconds(anchor.instant + toSeconds(beats(beat - anchor.at), anchor.tempo));
  }

  beatAt(instant: Seconds): Beats {
    const anchor = this.#anchors.findLast((candidate) => candidate.instant <= instant) ?? this.#anchors[0];
    return beats(anchor.at + toBeats(seconds(instant - anchor.instant), anchor.tempo));
  }

  get #last(): Anchor {
    return this.#anchors.at(-1) ?? this.#anchors[0];
  }
}

interface Anchor extends TempoChange {
  readonly instant: Seconds;
}

/**
 * A session of call and response as a state machine: no clock, no sound, no socket, no page. Whoever drives it tells it
 * what time it is (in beats) and what happened; it says what to do.
 *
 *     idle ──begin──► countIn ──► player ──► waiting ──► kakeai ─┐
 *                        ▲          ▲          ▲ ▲               │
 *                        │          │          │ └─again, onward─┤
 *                        │          └──────────│─────────────────┘
 *                        └──────── passed ─────┘
 *
 * Turns begin on beats. In strict turns the player's has its length; in free ones it goes on, bar by bar, until the
 * player has rested. Kakeai is called shortly before the turn ends, so that its answer can start exactly where that
 * turn ends; an answer that comes later starts on the next beat, and everything after it moves by as many whole beats.
 */

import { Capture } from "../input/capture";
import { type Beats, beats, type Qpm } from "../time";
import { endOf, type Note, type Take, type Turn, within, withoutLastExchange } from "./turn";

export type Phase = "idle" | "countIn" | "player" | "waiting" | "kakeai";

export interface Plan {
  readonly playerBars: number;
  readonly kakeaiBars: number;
  readonly beatsPerBar: number;
  readonly tempo: Qpm;
  /** How long the player rests to hand over the turn; null for turns of `playerBars`. */
  readonly pause: Beats | null;
}

export type Effect =
  /** A turn begins now. */
  | { readonly kind: "turn"; readonly turn: Turn }
  /** Ask for an answer to this turn (the player's, or Kakeai's own last one); held notes are closed at its end. */
  | {
      readonly kind: "call";
      readonly round: number;
      readonly turn: Turn;
      readonly answerBars: number;
      readonly due: Beats; // where the answer is to start
    }
  /** The answer is here and will begin at `turn.start`. */
  | { readonly kind: "answer"; readonly turn: Turn }
  /** The player's turn is over and there is no answer yet. */
  | { readonly kind: "late" }
  /** A new round begins at `at` with this tempo: the last moment to change it. */
  | { readonly kind: "round"; readonly at: Beats; readonly tempo: Qpm }
  /** What Kakeai plays at the moment is no longer wanted. */
  | { readonly kind: "hush" };

/** A key struck this shortly before a turn belongs to it: half a sixteenth, which the grid would round up. */
const EARLY: Beats = beats(1 / 8);
/** A free turn that never rests is handed over after so many bars: half of what a model hears at all. */
const LONGEST_FREE_BARS = 16;

export class Session {
  /** Read at the eve of each turn: changes count from the next turn on. */
  plan: Plan;

  #phase: Phase = "idle";
  #finished: Turn[] = []; // Kakeai's running turn too: its notes are known from the start
  #turn: Turn | null = null; // the running turn, or in `waiting` the one that is to be answered
  #next: Turn | null = null;
  #capture = new Capture();
  #keysDown = new Map<number, { velocity: number; at: Beats }>();
  #round = -1;
  #eveDone = false;
  #called: Turn | null = null; // the turn that was last to be answered
  #awaiting = false; // whether its answer is still to come
  #due: Beats = beats(0); // where that answer is to start
  #answerBars = 0; // and how long it was asked to be
  #onward = false; // whether Kakeai is to answer itself next

  constructor(plan: Plan) {
    this.plan = plan;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The running turn, or the one that is counted in; while Kakeai is waited for, the turn that it is to answer. */
  get turn(): Turn | null {
    return this.#turn;
  }

  /** The number of the last call, from 0; its answer carries it. */
  get round(): number {
    return this.#round;
  }

  /** The turn to come: as it will be if that is settled, and else as it is planned, without notes. */
  next(now: Beats): Turn | null {
    if (this.#next || !this.#turn || this.#phase === "countIn") return this.#next;
    const who = this.#turn.who === "player" ? "kakeai" : "player";
    return this.#planned(who, beats(Math.max(endOf(this.#turn), Math.ceil(now))));
  }

  /** All turns so far with their notes, those of keys still down closed at `now`. */
  turns(now: Beats): readonly Turn[] {
    const turn = this.#turn;
    if (this.#phase !== "player" || !turn) return this.#finished;
    return [...this.#finished, this.#captured(turn, beats(now - turn.start))];
  }

  /** The turns that a new gateway must know before it is called, oldest first. */
  history(): readonly Turn[] {
    const isCalled = this.#phase === "waiting" && this.#called?.who === "player";
    return isCalled ? this.#finished.slice(0, -1) : this.#finished;
  }

  /**
   * Begin a dialogue, or go on with one: one bar of count-in, then the player's turn.
   * @param turns what was played before, end to end
   * @returns the beat at which the player's turn begins
   */
  begin(turns: readonly Turn[] = []): Beats {
    this.#finished = [...turns];
    this.#round = -1;
    this.#called = null;
    this.#awaiting = this.#onward = false;
    const last = this.#finished.at(-1);
    const first = this.#planned("player", last ? endOf(last) : beats(0));
    this.#countIn(first);
    return first.start;
  }

  /**
   * Let time pass.
   * @param now what the player hears at this moment
   * @param lead how long before a turn's end the next one is prepared
   */
  advance(now: Beats, lead: Beats): Effect[] {
    const effects: Effect[] = [];
    while (this.#step(now, lead, effects));
    return effects;
  }

  noteOn(pitch: number, velocity: number, at: Beats): void {
    this.#keysDown.set(pitch, { velocity, at });
    const turn = this.#turn;
    if (this.#phase === "player" && turn) this.#capture.on(pitch, velocity, beats(Math.max(0, at - turn.start)));
  }

  noteOff(pitch: number, at: Beats): void {
    this.#keysDown.delete(pitch);
    const turn = this.#turn;
    if (this.#phase === "player" && turn) this.#capture.off(pitch, beats(Math.max(0, at - turn.start)));
  }

  /**
   * Kakeai's answer has come. One that nobody waits for (of an earlier call, or after a stop) is dropped.
   * @param soonest the first beat that can still be made to sound
   */
  answer(round: number, notes: readonly Note[], take: Take | null, soonest: Beats): Effect[] {
    if (!this.#isAwaited(round)) return [];
    this.#awaiting = false;
    const start = soonest <= this.#due ? this.#due : beats(Math.ceil(soonest));
    const planned = this.#planned("kakeai", start, this.#answerBars);
    const turn = { ...planned, notes: within(notes, planned.length), take };
    this.#next = turn;
    return [{ kind: "answer", turn }];
  }

  /** Kakeai cannot answer this turn: the player goes on at a bar line, after a whole bar at least. */
  pass(round: number, soonest: Beats): Effect[] {
    if (!this.#isAwaited(round)) return [];
    this.#awaiting = false;
    const { beatsPerBar } = this.plan;
    const bars = Math.max(1, Math.ceil((soonest - this.#due) / beatsPerBar));
    const again = this.#planned("player", beats(this.#due + bars * beatsPerBar));
    if (this.#phase === "waiting") this.#countIn(again);
    else this.#next = again;
    return [{ kind: "round", at: again.start, tempo: again.tempo }];
  }

  /** Whether there is an answer, and none is waited for: the time to ask for another, or to take it back. */
  get isAnswered(): boolean {
    const playing = this.#phase === "kakeai" || this.#phase === "player";
    return playing && !this.#awaiting && this.#finished.at(-1)?.who === "kakeai";
  }

  /** Ask for another answer to the same phrase; it takes the place of the one there is, from a bar line on. */
  again(now: Beats, lead: Beats): Effect[] {
    if (!this.isAnswered || !this.#called) return [];
    this.#finished.pop();
    return this.#callNow(this.#called, now, lead);
  }

  /** Keep this answer and let Kakeai go on from it: it answers itself. While it plays, when it has ended. */
  onward(now: Beats, lead: Beats): Effect[] {
    const answer = this.#finished.at(-1);
    if (!this.isAnswered || !answer) return [];
    if (this.#phase === "kakeai" && !this.#eveDone) {
      this.#onward = true;
      return [];
    }
    this.#round += 1;
    return this.#callNow(answer, now, lead);
  }

  /** Take the last exchange back. While one plays, the player is counted in again. */
  undo(now: Beats): Effect[] {
    if (this.#awaiting || this.#phase === "waiting") return [];
    this.#finished = withoutLastExchange(this.#finished);
    this.#called = null;
    if (this.#phase !== "kakeai" || !this.#turn) return [];
    const start = beats(this.#barLine(now) + this.plan.beatsPerBar);
    this.#countIn(this.#planned("player", start));
    return [{ kind: "hush" }, { kind: "round", at: start, tempo: this.plan.tempo }];
  }

  /** End the session. What has been played stays; what has not sounded yet goes, and so does a turn without notes. */
  stop(now: Beats): void {
    const turn = this.#turn;
    if (turn && this.#phase === "player" && !this.#capture.isEmpty) {
      this.#finished.push(this.#captured(turn, beats(now - turn.start)));
    }
    if (turn && this.#phase === "kakeai") {
      this.#finished.pop();
      this.#finished.push({ ...turn, notes: within(turn.notes, beats(now - turn.start)) });
    }
    this.#phase = "idle";
    this.#turn = null;
    this.#next = null;
    this.#awaiting = this.#onward = false;
  }

  /** Do the one thing that is due, if any. Several can be, after a tab has slept. */
  #step(now: Beats, lead: Beats, effects: Effect[]): boolean {
    const turn = this.#turn;
    if (!turn || this.#phase === "idle") return false;
    switch (this.#phase) {
      case "countIn":
        if (now < turn.start) return false;
        this.#enter(turn, effects);
        return true;
      case "player":
        if (!this.#eveDone && now >= endOf(turn) - lead) {
          if (this.#goesOn(turn, now)) return true;
          this.#eveDone = true;
          this.#round += 1;
          effects.push(this.#call(this.#captured(turn, turn.length), endOf(turn)));
          return true;
        }
        if (now < endOf(turn)) return false;
        this.#finished.push(this.#captured(turn, turn.length));
        return this.#handOver(effects);
      case "waiting":
        if (!this.#next || now < this.#next.start) return false;
        this.#enter(this.#next, effects);
        return true;
      case "kakeai":
        if (!this.#eveDone && now >= endOf(turn) - lead) {
          this.#eveDone = true;
          if (this.#onward) {
            this.#round += 1;
            effects.push(this.#call(turn, endOf(turn)));
          } else {
            this.#next = this.#planned("player", endOf(turn));
            effects.push({ kind: "round", at: endOf(turn), tempo: this.#next.tempo });
          }
          return true;
        }
        if (now < endOf(turn)) return false;
        if (this.#next) this.#enter(this.#next, effects);
        else return this.#handOver(effects);
        return true;
    }
  }

  /** The turn that was to be answered is over. */
  #handOver(effects: Effect[]): true {
    this.#phase = "waiting";
    if (this.#next?.who === "player") this.#countIn(this.#next);
    else if (!this.#next) effects.push({ kind: "late" });
    return true;
  }

  /** A free turn goes on while the player plays, and has not begun before the bar with its first note. */
  #goesOn(turn: Turn, now: Beats): boolean {
    const { pause, beatsPerBar } = this.plan;
    if (pause === null) return false;
    if (this.#capture.isEmpty) {
      this.#turn = { ...turn, start: endOf(turn) };
      return true;
    }
    if (turn.bars >= LONGEST_FREE_BARS || this.#capture.restedFor(pause, beats(now - turn.start))) return false;
    this.#turn = { ...turn, bars: turn.bars + 1, length: beats(turn.length + beatsPerBar) };
    return true;
  }

  #call(turn: Turn, due: Beats): Effect {
    this.#called = turn;
    this.#due = due;
    this.#awaiting = true;
    this.#onward = false;
    this.#answerBars = this.plan.kakeaiBars;
    return { kind: "call", round: this.#round, turn, answerBars: this.#answerBars, due };
  }

  /** Leave what plays and wait for an answer at the next bar line. */
  #callNow(turn: Turn, now: Beats, lead: Beats): Effect[] {
    const due = this.#barLine(beats(now + lead));
    this.#phase = "waiting";
    this.#turn = turn;
    this.#next = null;
    return [{ kind: "hush" }, this.#call(turn, due)];
  }

  /** The first bar line at or after a beat, counted from the running turn. */
  #barLine(at: Beats): Beats {
    const { beatsPerBar } = this.plan;
    const start = this.#turn?.start ?? beats(0);
    return beats(start + Math.max(0, Math.ceil((at - start) / beatsPerBar)) * beatsPerBar);
  }

  #countIn(turn: Turn): void {
    this.#turn = turn;
    this.#next = null;
    this.#phase = "countIn";
  }

  #enter(turn: Turn, effects: Effect[]): void {
    this.#turn = turn;
    this.#next = null;
    this.#eveDone = false;
    this.#phase = turn.who;
    if (turn.who === "kakeai") {
      this.#finished.push(turn);
    } else {
      this.#capture = new Capture();
      for (const [pitch, { velocity, at }] of this.#keysDown) {
        if (at >= turn.start - EARLY) this.#capture.on(pitch, velocity, beats(Math.max(0, at - turn.start)));
      }
    }
    effects.push({ kind: "turn", turn });
  }

  #isAwaited(round: number): boolean {
    return this.#awaiting && round === this.#round;
  }

  #captured(turn: Turn, upTo: Beats): Turn {
    return { ...turn, notes: within(this.#capture.upTo(upTo), beats(Math.min(upTo, turn.length))) };
  }

  #planned(who: Turn["who"], start: Beats, bars?: number): Turn {
    const { playerBars, kakeaiBars, beatsPerBar, pause } = this.plan;
    const count = bars ?? (who === "kakeai" ? kakeaiBars : pause === null ? playerBars : 1);
    const tempo = who === "kakeai" && this.#turn ? this.#turn.tempo : this.plan.tempo;
    return { who, start, bars: count, length: beats(count * beatsPerBar), tempo, notes: [], take: null };
  }
}

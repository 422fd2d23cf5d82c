/**
 * A session of call and response as a state machine: no clock, no sound, no socket, no page. Whoever drives it tells it
 * what time it is (in beats) and what happened; it says what to do.
 *
 *     idle ──begin──► countIn ──► player ──► waiting ──► kakeai ─┐
 *                        ▲          ▲           │                │
 *                        │          └───────────│────────────────┘
 *                        └──────── passed ──────┘
 *
 * Turns are strict and begin on beats. Kakeai is called shortly before the player's turn ends, so that its answer can
 * start exactly where that turn ends; an answer that comes later starts on the next beat, and everything after it moves
 * by as many whole beats.
 */

import { Capture } from "../input/capture";
import { type Beats, beats } from "../time";
import { endOf, type Note, type Take, type Turn, within } from "./turn";

export type Phase = "idle" | "countIn" | "player" | "waiting" | "kakeai";

export interface Plan {
  readonly playerBars: number;
  readonly kakeaiBars: number;
  readonly beatsPerBar: number;
}

export type Effect =
  /** A turn begins now. */
  | { readonly kind: "turn"; readonly turn: Turn }
  /** Ask for an answer to this turn; notes still held are closed at its end. */
  | { readonly kind: "call"; readonly round: number; readonly turn: Turn; readonly answerBars: number }
  /** The answer is here and will begin at `turn.start`. */
  | { readonly kind: "answer"; readonly turn: Turn }
  /** The player's turn is over and there is no answer yet. */
  | { readonly kind: "late" }
  /** A new round begins at `at`: the last moment to change the tempo for it. */
  | { readonly kind: "round"; readonly at: Beats };

/** A key struck this shortly before a turn belongs to it: half a sixteenth, which the grid would round up. */
const EARLY: Beats = beats(1 / 8);

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
  #answerBars = 0;

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

  /** Which exchange of turns this is, from 0; a call and its answer carry it. */
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
    return this.#phase === "waiting" ? this.#finished.slice(0, -1) : this.#finished;
  }

  /** Begin a new dialogue: one bar of count-in, then the player's turn at beat 0. */
  begin(): void {
    this.#finished = [];
    this.#round = -1;
    this.#countIn(this.#planned("player", beats(0)));
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
   * Kakeai's answer has come. One that nobody waits for (of an earlier round, or after a stop) is dropped.
   * @param soonest the first beat that can still be made to sound
   */
  answer(round: number, notes: readonly Note[], take: Take | null, soonest: Beats): Effect[] {
    const called = this.#awaited(round);
    if (!called) return [];
    const due = endOf(called);
    const planned = this.#planned("kakeai", soonest <= due ? due : beats(Math.ceil(soonest)), this.#answerBars);
    const turn = { ...planned, notes: within(notes, planned.length), take };
    this.#next = turn;
    return [{ kind: "answer", turn }];
  }

  /** Kakeai cannot answer this turn: the player goes on at a bar line, after a whole bar at least. */
  pass(round: number, soonest: Beats): Effect[] {
    const called = this.#awaited(round);
    if (!called) return [];
    const { beatsPerBar } = this.plan;
    const bars = Math.max(1, Math.ceil((soonest - endOf(called)) / beatsPerBar));
    const again = this.#planned("player", beats(endOf(called) + bars * beatsPerBar));
    if (this.#phase === "waiting") this.#countIn(again);
    else this.#next = again;
    return [{ kind: "round", at: again.start }];
  }

  /** End the session. What has been played stays; what has not sounded yet goes. */
  stop(now: Beats): void {
    const turn = this.#turn;
    if (turn && this.#phase === "player") this.#finished.push(this.#captured(turn, beats(now - turn.start)));
    if (turn && this.#phase === "kakeai") {
      this.#finished.pop();
      this.#finished.push({ ...turn, notes: within(turn.notes, beats(now - turn.start)) });
    }
    this.#phase = "idle";
    this.#turn = null;
    this.#next = null;
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
          this.#eveDone = true;
          this.#answerBars = this.plan.kakeaiBars;
          const answerBars = this.#answerBars;
          effects.push({ kind: "call", round: this.#round, turn: this.#captured(turn, turn.length), answerBars });
          return true;
        }
        if (now < endOf(turn)) return false;
        this.#finished.push(this.#captured(turn, turn.length));
        this.#phase = "waiting";
        if (this.#next?.who === "player") this.#countIn(this.#next);
        else if (!this.#next) effects.push({ kind: "late" });
        return true;
      case "waiting":
        if (!this.#next || now < this.#next.start) return false;
        this.#enter(this.#next, effects);
        return true;
      case "kakeai":
        if (!this.#eveDone && now >= endOf(turn) - lead) {
          this.#eveDone = true;
          this.#next = this.#planned("player", endOf(turn));
          effects.push({ kind: "round", at: endOf(turn) });
          return true;
        }
        if (now < endOf(turn) || !this.#next) return false;
        this.#enter(this.#next, effects);
        return true;
    }
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
      this.#round += 1;
      this.#capture = new Capture();
      for (const [pitch, { velocity, at }] of this.#keysDown) {
        if (at >= turn.start - EARLY) this.#capture.on(pitch, velocity, beats(Math.max(0, at - turn.start)));
      }
    }
    effects.push({ kind: "turn", turn });
  }

  /** The player's turn of this round if it still waits for its answer. */
  #awaited(round: number): Turn | null {
    const called = this.#phase === "waiting" || (this.#phase === "player" && this.#eveDone);
    return called && !this.#next && round === this.#round ? this.#turn : null;
  }

  #captured(turn: Turn, upTo: Beats): Turn {
    return { ...turn, notes: within(this.#capture.upTo(upTo), beats(Math.min(upTo, turn.length))) };
  }

  #planned(who: Turn["who"], start: Beats, bars?: number): Turn {
    const { playerBars, kakeaiBars, beatsPerBar } = this.plan;
    const count = bars ?? (who === "player" ? playerBars : kakeaiBars);
    return { who, start, bars: count, length: beats(count * beatsPerBar), notes: [], take: null };
  }
}

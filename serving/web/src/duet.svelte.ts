/**
 * The duet: where keys, clock, voices, session and gateway meet. It drives the session by the audio clock, does what the
 * session says, and holds what the views show.
 */

import { SvelteSet } from "svelte/reactivity";
import { HORIZON } from "./audio/clock";
import { type KeyListener } from "./input/listener";
import { MidiPorts, type Ports, type PortsState } from "./input/ports";
import { type Key, keyOf } from "./music/key";
import { lengthOf, type Piece, timelineOf } from "./session/piece";
import { type Effect, type Phase, type Plan, Session } from "./session/session";
import { endToEnd, type Turn, type Who, withoutLastExchange } from "./session/turn";
import { Sessions } from "./sessions.svelte";
import { Sounding } from "./sounding.svelte";
import { type Beats, beats, type Qpm, qpm, type Seconds, seconds, Timeline, toBeats, toSeconds } from "./time";
import { GatewayLink, type LinkState } from "./transport/gateway";
import { servedModels, type ServedModel } from "./transport/models";
import {
  type Answer,
  type Dynamics,
  fromWire,
  type Problem,
  type Ready,
  startFrame,
  toWire,
} from "./transport/protocol";

export const BARS = [1, 2, 4] as const;
export const TEMPO = { slowest: 40, fastest: 240 } as const;
export const TEMPERATURE = { least: 0.4, most: 1.6, step: 0.1 } as const;
export const METRES = [2, 3, 4, 6] as const; // quarter notes a bar
export const PAUSES = [0.5, 1, 2, 4] as const; // beats

/** From pressing Start to the first click. */
const BREATH: Seconds = seconds(0.15);
/** A sound that is to start sooner than this would start late. */
const SOUND_MARGIN: Seconds = seconds(0.02);

/**
 * How long before a turn's end Kakeai is called: one and a half times the last round trip and the time of two ticks,
 * but not less than two measured round trips on one machine (up to 50 ms each) and never more than a beat.
 */
const LEAST_LEAD: Seconds = seconds(0.12);
const TICKS: Seconds = seconds(0.04);
const FIRST_ROUND_TRIP: Seconds = seconds(0.1); // a guess until one is measured

export class Duet implements KeyListener {
  // What the player sets
  playerBars = $state(2);
  kakeaiBars = $state(2);
  tempo = $state(110);
  temperature = $state(1);
  dynamics = $state<Dynamics>("follow");
  clicks = $state(true);
  /** Turns end when the player rests, instead of after `playerBars`. */
  free = $state(false);
  pause = $state(1); // beats
  /** Quarter notes a bar, from the next session on. */
  metre = $state(4);

  // What the views show
  phase = $state<Phase | "replay">("idle");
  turn = $state.raw<Turn | null>(null);
  /** Whole beats into the turn; negative while it is counted in. */
  beat = $state(0);
  beatsPerBar = $state(4);
  counts = $state.raw<Record<Who, number>>({ player: 0, kakeai: 0 });
  key = $state.raw<Key | null>(null);
  pressed = new SvelteSet<number>();
  answering = $state.raw<readonly number[]>([]);
  /** Whether another answer can be asked for. */
  isAnswered = $state(false);
  link = $state<LinkState>("connecting");
  model = $state.raw<Ready | null>(null);
  models = $state.raw<readonly ServedModel[]>([]);
  /** A newer version than the one that answers. */
  released = $state<number | null>(null);
  late = $state(false);
  silent = $state(false);
  problem = $state<string | null>(null);
  ports = $state<PortsState>("closed");
  devices = $state.raw<Ports>({ inputs: [], outputs: [] });

  readonly sessions = new Sessions();
  readonly sounding: Sounding;
  readonly #session = new Session(this.#plan());
  readonly #gateway: GatewayLink;
  readonly #modelsUrl: string;
  readonly #midi = new MidiPorts(this, (ports) => (this.devices = ports));
  #chosenModel: string | null = null;
  #timeline: Timeline | null = null;
  #piece: Piece = { beatsPerBar: 4, turns: [] }; // what there is while nothing runs
  #stoppedAt: Beats = beats(0);
  #roundTrip: Seconds = FIRST_ROUND_TRIP;

  /**
   * @param sessionUrl the gateway's WebSocket
   * @param modelsUrl where it lists its models
   */
  constructor(sessionUrl: string, modelsUrl: string) {
    this.sounding = new Sounding(this.#midi, () => this.#tick());
    this.#modelsUrl = modelsUrl;
    this.#gateway = new GatewayLink(sessionUrl, {
      start: () => startFrame(this.#tempoNow(), this.beatsPerBar, this.#history(), this.#chosenModel),
      onState: (state) => (this.link = state),
      onReady: (ready) => {
        this.model = ready;
        this.problem = null;
        if (this.released !== null && ready.version >= this.released) this.released = null;
        void this.#lookForModels();
      },
      onAnswer: (answer, roundTripMs) => this.#answered(answer, roundTripMs),
      onRelease: ({ version }) => (this.released = version),
      onProblem: (problem) => this.#failed(problem),
    });
    const { newest } = this.sessions;
    if (newest) this.open(newest.piece);
    this.sessions.turnTo(newest);
    this.#gateway.open();
  }

  // ---- playing ----

  press(pitch: number, velocity: number, atMs: number): void {
    const { clock, voices } = this.sounding.unlock();
    voices.player.attack(pitch, velocity, clock.now());
    this.pressed.add(pitch);
    if (this.#timeline) this.#session.noteOn(pitch, velocity, this.#timeline.beatAt(clock.heard(atMs)));
  }

  release(pitch: number, atMs: number): void {
    const { clock, voices } = this.sounding.unlock();
    voices.player.release(pitch, clock.now());
    this.pressed.delete(pitch);
    if (this.#timeline) this.#session.noteOff(pitch, this.#timeline.beatAt(clock.heard(atMs)));
  }

  async connectMidi(): Promise<void> {
    this.sounding.unlock(); // a MIDI message is no gesture, this click is
    this.ports = "asking";
    this.ports = await this.#midi.open();
  }

  /** Hear one keyboard alone, or (null) all of them. */
  hear(input: string | null): void {
    this.#midi.choose(input);
  }

  /** Let another model answer, from its next turn on. */
  chooseModel(name: string): void {
    this.#chosenModel = name;
    this.#gateway.reopen();
  }

  /** Let the newer version answer. */
  adopt(): void {
    if (this.released !== null) this.#gateway.adopt({ type: "adopt", version: this.released });
  }

  // ---- the session ----

  /** Begin a new dialogue, or go on with the one at hand. */
  async start(isNew = false): Promise<void> {
    const { clock, metronome } = this.sounding.unlock();
    if (this.phase === "replay") this.stop();
    try {
      await clock.run();
    } catch {
      this.silent = true;
      return;
    }
    this.silent = false;
    this.problem = null;
    if (isNew || this.#piece.turns.length === 0) {
      this.#piece = { beatsPerBar: this.metre, turns: [] };
      this.sessions.turnTo(null);
    }
    this.beatsPerBar = this.#piece.beatsPerBar;
    const tempo = qpm(this.tempo);
    const countIn = beats(this.beatsPerBar);
    this.#session.plan = this.#plan();
    const first = this.#session.begin(this.#piece.turns);
    // Beat 0 lies in the past where there are turns already.
    const untilBeat0 = toSeconds(beats(countIn - first), tempo);
    this.#timeline = new Timeline(seconds(clock.now() + BREATH + untilBeat0), tempo);
    metronome.from(beats(first - countIn));
    this.#gateway.open(); // it forgets the dialogue before
    this.refresh();
  }

  stop(): void {
    const { running } = this.sounding;
    if (!running || !this.#timeline || this.phase === "idle") return;
    const { clock, voices } = running;
    if (this.phase !== "replay") {
      this.#session.stop(this.now());
      this.#setPiece(this.#session.turns(this.now()));
      this.sessions.keep(this.#piece);
    }
    this.phase = "idle";
    clock.clear();
    for (const voice of [voices.kakeai, voices.player]) voice.silence(clock.now());
    this.#timeline = null;
    this.#stoppedAt = lengthOf(this.#piece);
    this.late = false;
    this.refresh();
  }

  /** Another answer to the same phrase. */
  again(): void {
    this.#doAll(this.#session.again(this.now(), this.#leadNow()));
  }

  /** Keep this answer, and let Kakeai go on from it. */
  onward(): void {
    this.#doAll(this.#session.onward(this.now(), this.#leadNow()));
  }

  /** Take the last exchange back. */
  undo(): void {
    if (this.phase === "replay") this.stop();
    if (this.phase === "idle") {
      this.#setPiece(withoutLastExchange(this.#piece.turns));
    } else {
      this.#doAll(this.#session.undo(this.now()));
      this.#gateway.reopen(); // it is told what is left
    }
    this.#keep();
    this.refresh();
  }

  /** Show a session that was kept or shared; `start` goes on with it. */
  open(piece: Piece): void {
    this.stop();
    this.beatsPerBar = this.metre = piece.beatsPerBar;
    const last = piece.turns.at(-1);
    if (last) this.tempo = Math.round(Math.min(TEMPO.fastest, Math.max(TEMPO.slowest, last.tempo)));
    this.#setPiece(piece.turns);
    this.refresh();
  }

  /** Hear the dialogue from its beginning. */
  async playBack(): Promise<void> {
    const { clock, voices } = this.sounding.unlock();
    this.stop();
    await clock.run();
    const timeline = timelineOf(this.#piece, seconds(clock.now() + BREATH));
    this.#timeline = timeline;
    this.phase = "replay";
    for (const { who, start, notes } of this.#piece.turns) {
      const voice = voices[who];
      for (const { pitch, velocity, start: from, end } of notes) {
        clock.schedule(timeline.instantOf(beats(start + from)), (at) => voice.attack(pitch, velocity, at));
        clock.schedule(timeline.instantOf(beats(start + end)), (at) => voice.release(pitch, at));
      }
    }
  }

  /** The dialogue so far, end to end. */
  get piece(): Piece {
    return this.phase === "idle" || this.phase === "replay"
      ? this.#piece
      : { beatsPerBar: this.beatsPerBar, turns: endToEnd(this.turns) };
  }

  // ---- looking ----

  /** The beat that the player hears now; after a stop, the last one. */
  now(): Beats {
    const { running } = this.sounding;
    if (!running || !this.#timeline) return this.#stoppedAt;
    return this.#timeline.beatAt(running.clock.heard());
  }

  get turns(): readonly Turn[] {
    return this.phase === "idle" || this.phase === "replay" ? this.#piece.turns : this.#session.turns(this.now());
  }

  /** The running turn, and the one to come as far as it is known. */
  get ahead(): readonly Turn[] {
    return [this.#session.turn, this.#session.next(this.now())].filter((turn) => turn !== null);
  }

  /** Take over what the session has come to; on every frame, for the eyes. */
  refresh(): void {
    const now = this.now();
    if (this.phase === "replay" && now >= lengthOf(this.#piece)) this.stop();
    if (this.phase !== "replay") this.phase = this.#session.phase;
    this.turn = this.phase === "replay" ? turnAt(this.#piece.turns, now) : this.#session.turn;
    this.beat = this.turn ? Math.floor(now - this.turn.start) : 0;
    const kakeaiPlays = this.phase === "kakeai" || (this.phase === "replay" && this.turn?.who === "kakeai");
    this.answering = kakeaiPlays && this.turn ? sounding(this.turn, now) : NOTHING;
    this.isAnswered = this.#session.isAnswered;
    const counts = { player: 0, kakeai: 0 };
    for (const { who, notes } of this.turns) counts[who] += notes.length;
    if (counts.player === this.counts.player && counts.kakeai === this.counts.kakeai) return;
    this.counts = counts;
    this.key = keyOf(this.turns.flatMap(({ notes }) => notes));
  }

  // ---- what drives it ----

  #tick(): void {
    const timeline = this.#timeline;
    const { running } = this.sounding;
    if (!running || !timeline || this.#session.phase === "idle") return;
    const { clock, metronome } = running;
    this.#session.plan = this.#plan();
    this.#doAll(this.#session.advance(this.now(), this.#leadNow()));
    const until = seconds(clock.now() + HORIZON);
    const bar = this.#session.turn?.start ?? beats(0);
    const countsIn = this.#session.phase === "countIn";
    metronome.run(timeline, until, bar, this.beatsPerBar, (beat) => this.clicks || (countsIn && beat < bar));
  }

  #doAll(effects: readonly Effect[]): void {
    if (this.#timeline) for (const effect of effects) this.#do(effect, this.#timeline);
  }

  #do(effect: Effect, timeline: Timeline): void {
    switch (effect.kind) {
      case "turn":
        this.late = false;
        if (effect.turn.who === "kakeai") this.problem = null;
        else this.#keep();
        break;
      case "call":
        this.#gateway.call({
          type: "call",
          turn: effect.round,
          bars: effect.turn.bars,
          answer_bars: effect.answerBars,
          notes: toWire(effect.turn.notes, timeline.tempo),
          temperature: this.temperature,
          dynamics: this.dynamics,
          due: Math.max(0, toSeconds(beats(effect.due - this.now()), timeline.tempo)),
        });
        break;
      case "answer":
        this.#schedule(effect.turn, timeline);
        break;
      case "late":
        this.late = true;
        break;
      case "round":
        if (effect.tempo === timeline.tempo) break;
        timeline.changeTempo(effect.at, effect.tempo);
        this.#gateway.tempo({ type: "tempo", qpm: effect.tempo });
        break;
      case "hush":
        this.#hush();
        break;
    }
  }

  #hush(): void {
    const { running } = this.sounding;
    running?.clock.clear();
    running?.voices.kakeai.silence(running.clock.now());
  }

  #schedule({ start, notes }: Turn, timeline: Timeline): void {
    const { running } = this.sounding;
    if (!running) return;
    const { clock, voices } = running;
    for (const { pitch, velocity, start: from, end } of notes) {
      clock.schedule(timeline.instantOf(beats(start + from)), (at) => voices.kakeai.attack(pitch, velocity, at));
      clock.schedule(timeline.instantOf(beats(start + end)), (at) => voices.kakeai.release(pitch, at));
    }
  }

  #answered({ turn, notes, take }: Answer, roundTripMs: number): void {
    this.#roundTrip = seconds(roundTripMs / 1000);
    const timeline = this.#timeline;
    if (!timeline) return;
    const played = fromWire(notes, timeline.tempo);
    this.#doAll(this.#session.answer(turn, played, take, this.#soonest(timeline)));
  }

  #failed({ detail, turn }: Problem): void {
    this.problem = detail;
    const timeline = this.#timeline;
    if (!timeline) return;
    const round = turn ?? this.#session.round;
    this.#doAll(this.#session.pass(round, this.#soonest(timeline)));
  }

  #soonest(timeline: Timeline): Beats {
    const now = this.sounding.running?.clock.now() ?? 0;
    return timeline.beatAt(seconds(now + SOUND_MARGIN));
  }

  #leadNow(): Beats {
    const clock = this.sounding.running?.clock;
    const lag = clock ? clock.now() - clock.heard() : 0;
    const wanted = Math.max(LEAST_LEAD, 1.5 * this.#roundTrip + TICKS) + lag;
    return beats(Math.min(1, toBeats(seconds(wanted), this.#tempoNow())));
  }

  #tempoNow(): Qpm {
    return this.#timeline && this.#session.phase !== "idle" ? this.#timeline.tempo : qpm(this.tempo);
  }

  #plan(): Plan {
    return {
      playerBars: this.playerBars,
      kakeaiBars: this.kakeaiBars,
      beatsPerBar: this.beatsPerBar,
      tempo: qpm(this.tempo),
      pause: this.free ? beats(this.pause) : null,
    };
  }

  #history(): readonly Turn[] {
    return this.#session.phase === "idle" ? this.#piece.turns : this.#session.history();
  }

  #setPiece(turns: readonly Turn[]): void {
    this.#piece = { beatsPerBar: this.beatsPerBar, turns: endToEnd(turns) };
    this.#stoppedAt = lengthOf(this.#piece);
  }

  #keep(): void {
    this.sessions.keep(this.piece);
  }

  async #lookForModels(): Promise<void> {
    this.models = await servedModels(this.#modelsUrl);
  }
}

const NOTHING: readonly number[] = [];

const sounding = ({ start, notes }: Turn, now: Beats): readonly number[] =>
  notes.filter((note) => note.start <= now - start && now - start < note.end).map(({ pitch }) => pitch);

const turnAt = (turns: readonly Turn[], now: Beats): Turn | null => turns.findLast(({ start }) => start <= now) ?? null;

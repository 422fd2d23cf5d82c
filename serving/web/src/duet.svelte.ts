/**
 * The duet: where keys, clock, voices, session and gateway meet. It drives the session by the audio clock, does what the
 * session says, and holds what the views show.
 */

import { playTurn } from "./audio/playing";
import { Display } from "./display.svelte";
import { MidiPorts } from "./input/ports";
import { Instrument } from "./instrument.svelte";
import { browserStore } from "./keep/storage";
import { Partner } from "./partner.svelte";
import { leadOf } from "./session/lead";
import { lengthOf, type Piece, timelineOf } from "./session/piece";
import { type Effect, type Phase, type Plan, Session } from "./session/session";
import { endToEnd, type Turn, turnAt, withoutLastExchange } from "./session/turn";
import { Sessions } from "./sessions.svelte";
import { remembered, settable } from "./settings";
import { Sounding } from "./sounding.svelte";
import { type Beats, beats, type Qpm, qpm, type Seconds, seconds, Timeline, toSeconds } from "./time";
import { type GatewayAddress } from "./transport/address";
import { type Answer, callFrame, fromWire, startFrame } from "./transport/protocol";

/** From pressing Start to the first click. */
const BREATH: Seconds = seconds(0.15);
/** A sound that is to start sooner than this would start late. */
const SOUND_MARGIN: Seconds = seconds(0.02);

/** A guess until one is measured. */
const FIRST_ROUND_TRIP: Seconds = seconds(0.1);

export class Duet {
  readonly settings = $state(remembered(browserStore()));

  phase = $state<Phase | "replay">("idle");
  beatsPerBar = $state(4);
  /** Whether another answer can be asked for. */
  isAnswered = $state(false);
  late = $state(false);
  silent = $state(false);

  readonly display = new Display();
  readonly sessions = new Sessions();
  readonly sounding: Sounding;
  readonly instrument: Instrument;
  readonly partner: Partner;
  readonly #session = new Session(this.#plan());
  #timeline: Timeline | null = null;
  #piece = $state.raw<Piece>({ beatsPerBar: 4, turns: [] }); // what there is while nothing runs
  #stoppedAt: Beats = beats(0);
  #roundTrip: Seconds = FIRST_ROUND_TRIP;

  constructor(gateway: GatewayAddress) {
    const midi = new MidiPorts();
    this.sounding = new Sounding(this.settings, midi, () => this.#tick());
    this.instrument = new Instrument(midi, this.sounding, {
      noteOn: (pitch, velocity, at) => {
        if (this.#timeline) this.#session.noteOn(pitch, velocity, this.#timeline.beatAt(at));
      },
      noteOff: (pitch, at) => {
        if (this.#timeline) this.#session.noteOff(pitch, this.#timeline.beatAt(at));
      },
    });
    this.partner = new Partner(gateway, {
      start: (model) => startFrame(this.#tempoNow(), this.beatsPerBar, this.#history(), model),
      onAnswer: (answer, roundTripMs) => this.#answered(answer, roundTripMs),
      onProblem: ({ turn }) => this.#failed(turn ?? this.#session.round),
    });
    const { newest } = this.sessions;
    if (newest) this.#show(newest.piece);
    this.sessions.turnTo(newest);
    this.partner.begin();
  }

  // ---- the session ----

  /** Begin a new dialogue, or go on with the one at hand. */
  async start(isNew = false): Promise<void> {
    if (this.phase === "replay") this.stop();
    const { clock, metronome } = await this.sounding.unlocked();
    try {
      await clock.run();
    } catch {
      this.silent = true;
      return;
    }
    this.silent = false;
    this.partner.problem = null;
    if (isNew || this.#piece.turns.length === 0) {
      this.#piece = { beatsPerBar: this.settings.metre, turns: [] };
      this.sessions.turnTo(null);
    }
    this.beatsPerBar = this.#piece.beatsPerBar;
    const tempo = qpm(this.settings.tempo);
    const countIn = beats(this.beatsPerBar);
    this.#session.plan = this.#plan();
    const first = this.#session.begin(this.#piece.turns);
    // Beat 0 lies in the past where there are turns already.
    const untilBeat0 = toSeconds(beats(countIn - first), tempo);
    this.#timeline = new Timeline(seconds(clock.now() + BREATH + untilBeat0), tempo);
    metronome.from(beats(first - countIn));
    this.partner.begin();
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
      this.partner.retell();
    }
    this.#keep();
    this.refresh();
  }

  /** Show a session that was kept or shared; `start` goes on with it, in its metre and tempo. */
  open(piece: Piece): void {
    this.stop();
    this.settings.metre = piece.beatsPerBar;
    const last = piece.turns.at(-1);
    if (last) this.settings.tempo = settable(last.tempo);
    this.#show(piece);
  }

  /** Hear the dialogue from its beginning. */
  async playBack(): Promise<void> {
    this.stop();
    const engine = await this.sounding.unlocked();
    await engine.clock.run();
    const timeline = timelineOf(this.#piece, seconds(engine.clock.now() + BREATH));
    this.#timeline = timeline;
    this.phase = "replay";
    for (const turn of this.#piece.turns) playTurn(engine, timeline, turn);
  }

  /** The dialogue so far, end to end. */
  get piece(): Piece {
    return this.isPlaying ? { beatsPerBar: this.beatsPerBar, turns: endToEnd(this.turns) } : this.#piece;
  }

  // ---- looking ----

  /** The beat that the player hears now; after a stop, the last one. */
  now(): Beats {
    const { running } = this.sounding;
    if (!running || !this.#timeline) return this.#stoppedAt;
    return this.#timeline.beatAt(running.clock.heard());
  }

  /** Whether a session runs: neither rest nor playing back. */
  get isPlaying(): boolean {
    return this.phase !== "idle" && this.phase !== "replay";
  }

  get turns(): readonly Turn[] {
    return this.isPlaying ? this.#session.turns(this.now()) : this.#piece.turns;
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
    this.isAnswered = this.#session.isAnswered;
    const turn = this.phase === "replay" ? turnAt(this.#piece.turns, now) : this.#session.turn;
    const kakeaiPlays = this.phase === "kakeai" || (this.phase === "replay" && turn?.who === "kakeai");
    this.display.update(now, turn, this.turns, kakeaiPlays);
  }

  // ---- what drives it ----

  #tick(): void {
    const timeline = this.#timeline;
    const { running } = this.sounding;
    if (!running || !timeline || this.#session.phase === "idle") return;
    const { clock, metronome } = running;
    this.#session.plan = this.#plan();
    this.#doAll(this.#session.advance(this.now(), this.#leadNow()));
    const bar = this.#session.turn?.start ?? beats(0);
    const countsIn = this.#session.phase === "countIn";
    metronome.run(timeline, clock.horizon, bar, this.beatsPerBar, (beat) => this.settings.clicks || (countsIn && beat < bar));
  }

  #doAll(effects: readonly Effect[]): void {
    if (this.#timeline) for (const effect of effects) this.#do(effect, this.#timeline);
  }

  #do(effect: Effect, timeline: Timeline): void {
    switch (effect.kind) {
      case "turn":
        this.late = false;
        if (effect.turn.who === "kakeai") this.partner.problem = null;
        else this.#keep();
        break;
      case "call": {
        const due = toSeconds(beats(effect.due - this.now()), timeline.tempo);
        this.partner.call(
          callFrame(effect.round, effect.turn, timeline.tempo, due, {
            answer_bars: effect.answerBars,
            temperature: this.settings.temperature,
            dynamics: this.settings.dynamics,
            keep: this.settings.give && this.partner.model?.collects === true,
          }),
        );
        break;
      }
      case "answer":
        if (this.sounding.running) playTurn(this.sounding.running, timeline, effect.turn);
        break;
      case "late":
        this.late = true;
        break;
      case "round":
        if (effect.tempo === timeline.tempo) break;
        timeline.changeTempo(effect.at, effect.tempo);
        this.partner.tempo({ type: "tempo", qpm: effect.tempo });
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

  #answered({ turn, notes, take }: Answer, roundTripMs: number): void {
    this.#roundTrip = seconds(roundTripMs / 1000);
    const timeline = this.#timeline;
    if (!timeline) return;
    const played = fromWire(notes, timeline.tempo);
    this.#doAll(this.#session.answer(turn, played, take, this.#soonest(timeline)));
  }

  #failed(round: number): void {
    if (this.#timeline) this.#doAll(this.#session.pass(round, this.#soonest(this.#timeline)));
  }

  #soonest(timeline: Timeline): Beats {
    const now = this.sounding.running?.clock.now() ?? 0;
    return timeline.beatAt(seconds(now + SOUND_MARGIN));
  }

  #leadNow(): Beats {
    const clock = this.sounding.running?.clock;
    const lag = seconds(clock ? clock.now() - clock.heard() : 0);
    return leadOf(this.#roundTrip, lag, this.#tempoNow());
  }

  #tempoNow(): Qpm {
    return this.#timeline && this.#session.phase !== "idle" ? this.#timeline.tempo : qpm(this.settings.tempo);
  }

  #plan(): Plan {
    const { playerBars, kakeaiBars, tempo, free, pause } = this.settings;
    return {
      playerBars,
      kakeaiBars,
      beatsPerBar: this.beatsPerBar,
      tempo: qpm(tempo),
      pause: free ? beats(pause) : null,
    };
  }

  #history(): readonly Turn[] {
    return this.#session.phase === "idle" ? this.#piece.turns : this.#session.history();
  }

  #show({ beatsPerBar, turns }: Piece): void {
    this.beatsPerBar = beatsPerBar;
    this.#setPiece(turns);
    this.refresh();
  }

  #setPiece(turns: readonly Turn[]): void {
    this.#piece = { beatsPerBar: this.beatsPerBar, turns: endToEnd(turns) };
    this.#stoppedAt = lengthOf(this.#piece);
  }

  #keep(): void {
    this.sessions.keep(this.piece);
  }
}

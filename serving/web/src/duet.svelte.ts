/**
 * The duet: where keys, clock, voices, session and gateway meet. It drives the session by the audio clock, does what the
 * session says, and holds what the views show.
 */

import { SvelteSet } from "svelte/reactivity";
import { AudioClock, HORIZON } from "./audio/clock";
import { Metronome } from "./audio/metronome";
import { twoVoices } from "./audio/voices";
import { type KeyListener } from "./input/listener";
import { MidiPorts, type PortsState } from "./input/ports";
import { dialogueFile } from "./midi/file";
import { type Effect, type Phase, type Plan, Session } from "./session/session";
import { type Turn, type Who } from "./session/turn";
import { type Beats, beats, type Qpm, qpm, type Seconds, seconds, Timeline, toBeats, toSeconds } from "./time";
import { GatewayLink, type LinkState } from "./transport/gateway";
import { type Answer, fromWire, type Problem, type Ready, startFrame, toWire } from "./transport/protocol";

export const BARS = [1, 2, 4] as const;
export const TEMPO = { slowest: 40, fastest: 240 } as const;
export const TEMPERATURE = { least: 0.4, most: 1.6, step: 0.1 } as const;
const BEATS_PER_BAR = 4;

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

interface Sounding {
  clock: AudioClock;
  voices: ReturnType<typeof twoVoices>;
  metronome: Metronome;
}

export class Duet implements KeyListener {
  // What the player sets
  playerBars = $state(2);
  kakeaiBars = $state(2);
  tempo = $state(110);
  temperature = $state(1);
  clicks = $state(true);

  // What the views show
  phase = $state<Phase>("idle");
  turn = $state.raw<Turn | null>(null);
  /** Whole beats into the turn; negative while it is counted in. */
  beat = $state(0);
  counts = $state.raw<Record<Who, number>>({ player: 0, kakeai: 0 });
  pressed = new SvelteSet<number>();
  answering = $state.raw<readonly number[]>([]);
  link = $state<LinkState>("connecting");
  model = $state.raw<Ready | null>(null);
  late = $state(false);
  silent = $state(false);
  problem = $state<string | null>(null);
  ports = $state<PortsState>("closed");
  inputs = $state.raw<readonly string[]>([]);

  readonly beatsPerBar = BEATS_PER_BAR;
  readonly #session = new Session(this.#plan());
  readonly #gateway: GatewayLink;
  readonly #midi = new MidiPorts(this, (names) => (this.inputs = names));
  #sounding: Sounding | null = null;
  #timeline: Timeline | null = null;
  #stoppedAt: Beats = beats(0);
  #roundTrip: Seconds = FIRST_ROUND_TRIP;

  constructor(gatewayUrl: string) {
    this.#gateway = new GatewayLink(gatewayUrl, {
      start: () => startFrame(this.#tempoNow(), BEATS_PER_BAR, this.#session.history()),
      onState: (state) => (this.link = state),
      onReady: (ready) => {
        this.model = ready;
        this.problem = null;
      },
      onAnswer: (answer, roundTripMs) => this.#answered(answer, roundTripMs),
      onProblem: (problem) => this.#failed(problem),
    });
    this.#gateway.open();
  }

  // ---- playing ----

  press(pitch: number, velocity: number, atMs: number): void {
    const { clock, voices } = this.#unlocked();
    voices.player.attack(pitch, velocity, clock.now());
    this.pressed.add(pitch);
    if (this.#timeline) this.#session.noteOn(pitch, velocity, this.#timeline.beatAt(clock.heard(atMs)));
  }

  release(pitch: number, atMs: number): void {
    const { clock, voices } = this.#unlocked();
    voices.player.release(pitch, clock.now());
    this.pressed.delete(pitch);
    if (this.#timeline) this.#session.noteOff(pitch, this.#timeline.beatAt(clock.heard(atMs)));
  }

  async connectMidi(): Promise<void> {
    this.#unlocked(); // a MIDI message is no gesture, this click is
    this.ports = "asking";
    this.ports = await this.#midi.open();
  }

  // ---- the session ----

  /** Begin a new dialogue. */
  async start(): Promise<void> {
    const { clock, metronome } = this.#unlocked();
    try {
      await clock.run();
    } catch {
      this.silent = true;
      return;
    }
    this.silent = false;
    this.problem = null;
    const tempo = qpm(this.tempo);
    const countIn = beats(BEATS_PER_BAR);
    this.#timeline = new Timeline(seconds(clock.now() + BREATH + toSeconds(countIn, tempo)), tempo);
    metronome.from(beats(-countIn));
    this.#session.plan = this.#plan();
    this.#session.begin();
    this.#gateway.open(); // it forgets the dialogue before
    this.refresh();
  }

  stop(): void {
    if (!this.#sounding || !this.#timeline || this.phase === "idle") return;
    const { clock, voices } = this.#sounding;
    this.#stoppedAt = this.now();
    this.#session.stop(this.#stoppedAt);
    clock.clear();
    voices.kakeai.silence(clock.now());
    this.late = false;
    this.refresh();
  }

  /** The dialogue so far as a MIDI file. */
  file(names: Record<Who, string>): Uint8Array<ArrayBuffer> {
    return dialogueFile(this.turns, this.#timeline?.tempos ?? [], BEATS_PER_BAR, names);
  }

  // ---- looking ----

  /** The beat that the player hears now; after a stop, the last one. */
  now(): Beats {
    if (!this.#sounding || !this.#timeline) return beats(0);
    if (this.#session.phase === "idle") return this.#stoppedAt;
    return this.#timeline.beatAt(this.#sounding.clock.heard());
  }

  get turns(): readonly Turn[] {
    return this.#session.turns(this.now());
  }

  /** The running turn, and the one to come as far as it is known. */
  get ahead(): readonly Turn[] {
    return [this.#session.turn, this.#session.next(this.now())].filter((turn) => turn !== null);
  }

  /** Take over what the session has come to; on every frame, for the eyes. */
  refresh(): void {
    const now = this.now();
    this.phase = this.#session.phase;
    this.turn = this.#session.turn;
    this.beat = this.turn ? Math.floor(now - this.turn.start) : 0;
    this.answering = this.phase === "kakeai" && this.turn ? sounding(this.turn, now) : NOTHING;
    const counts = { player: 0, kakeai: 0 };
    for (const { who, notes } of this.#session.turns(now)) counts[who] += notes.length;
    if (counts.player !== this.counts.player || counts.kakeai !== this.counts.kakeai) this.counts = counts;
  }

  // ---- what drives it ----

  /** Sound, from the first gesture on. */
  #unlocked(): Sounding {
    if (!this.#sounding) {
      const clock = new AudioClock(() => this.#tick());
      this.#sounding = { clock, voices: twoVoices(), metronome: new Metronome() };
      void clock.run();
    }
    return this.#sounding;
  }

  #tick(): void {
    const timeline = this.#timeline;
    if (!this.#sounding || !timeline || this.#session.phase === "idle") return;
    const { clock, metronome } = this.#sounding;
    this.#session.plan = this.#plan();
    const lag = seconds(clock.now() - clock.heard());
    for (const effect of this.#session.advance(this.now(), this.#lead(lag))) this.#do(effect, timeline);
    const until = seconds(clock.now() + HORIZON);
    const bar = this.#session.turn?.start ?? beats(0);
    metronome.run(timeline, until, bar, BEATS_PER_BAR, (beat) => this.clicks || beat < 0);
  }

  #do(effect: Effect, timeline: Timeline): void {
    switch (effect.kind) {
      case "turn":
        this.late = false;
        if (effect.turn.who === "kakeai") this.problem = null;
        break;
      case "call":
        this.#gateway.call({
          type: "call",
          turn: effect.round,
          bars: effect.turn.bars,
          answer_bars: effect.answerBars,
          notes: toWire(effect.turn.notes, timeline.tempo),
          temperature: this.temperature,
        });
        break;
      case "answer":
        this.#schedule(effect.turn, timeline);
        break;
      case "late":
        this.late = true;
        break;
      case "round":
        if (this.tempo === timeline.tempo) break;
        timeline.changeTempo(effect.at, qpm(this.tempo));
        this.#gateway.tempo({ type: "tempo", qpm: this.tempo });
        break;
    }
  }

  #schedule({ start, notes }: Turn, timeline: Timeline): void {
    if (!this.#sounding) return;
    const { clock, voices } = this.#sounding;
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
    for (const effect of this.#session.answer(turn, played, take, this.#soonest(timeline))) this.#do(effect, timeline);
  }

  #failed({ detail, turn }: Problem): void {
    this.problem = detail;
    const timeline = this.#timeline;
    if (!timeline) return;
    const round = turn ?? this.#session.round;
    for (const effect of this.#session.pass(round, this.#soonest(timeline))) this.#do(effect, timeline);
  }

  #soonest(timeline: Timeline): Beats {
    const now = this.#sounding?.clock.now() ?? 0;
    return timeline.beatAt(seconds(now + SOUND_MARGIN));
  }

  #lead(lag: Seconds): Beats {
    const wanted = Math.max(LEAST_LEAD, 1.5 * this.#roundTrip + TICKS) + lag;
    return beats(Math.min(1, toBeats(seconds(wanted), this.#tempoNow())));
  }

  #tempoNow(): Qpm {
    return this.#timeline && this.#session.phase !== "idle" ? this.#timeline.tempo : qpm(this.tempo);
  }

  #plan(): Plan {
    return { playerBars: this.playerBars, kakeaiBars: this.kakeaiBars, beatsPerBar: BEATS_PER_BAR };
  }
}

const NOTHING: readonly number[] = [];

const sounding = ({ start, notes }: Turn, now: Beats): readonly number[] =>
  notes.filter((note) => note.start <= now - start && now - start < note.end).map(({ pitch }) => pitch);

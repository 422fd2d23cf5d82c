/** Paints the piano roll: the turns as fields, their notes in them, and now as a line. */

import { endOf, type Note, type Turn, type Who } from "../session/turn";
import { type Beats, beats, qpm } from "../time";

export interface Scene {
  readonly turns: readonly Turn[];
  readonly ahead: readonly Turn[]; // fields to show before they are played
  readonly now: Beats;
  readonly running: boolean;
  readonly smooth: boolean; // or move by whole bars only
  readonly beatsPerBar: number;
  readonly names: Record<Who, string>;
}

export interface Colours {
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly player: string;
  readonly kakeai: string;
  readonly stage: Record<Who, string>;
  readonly onAccent: string;
  readonly font: string;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The design's colours, as they stand at the moment; a canvas knows no names. */
export function readColours(element: HTMLElement): Colours {
  const style = getComputedStyle(element);
  const of = (name: string) => {
    element.style.color = `var(${name})`;
    return style.color;
  };
  return {
    text: of("--text"),
    muted: of("--muted"),
    line: of("--line"),
    player: of("--player"),
    kakeai: of("--kakeai"),
    stage: { player: of("--player-stage"), kakeai: of("--kakeai-stage") },
    onAccent: of("--on-accent"),
    font: style.fontFamily,
  };
}

const NOW_AT = 0.6; // of the width: more past than future
const BEATS_ACROSS = 24;
const BEAT_PX = { least: 34, most: 72 };
const WHOLE_BEAT_PX = { least: 6, most: 48 }; // where the whole dialogue is shown
const BEAT_LINES_PX = 14; // of a beat; in narrower ones there are lines for bars only
const MARGIN_PX = 28; // room for the octaves' names
const TOP_PX = 28; // for the names
const BOTTOM_PX = 10;
const NOTE_PX = { least: 8, most: 16 };
const TO_COME = 0.5; // opacity of notes that have not sounded yet
const LEAST_SPAN = { from: 57, to: 81 }; // pitches that are always in view: where melodies lie
const OCTAVE = 12;

/** Shown before anything is played: a call and its answer, so that one sees what will come. */
const phrase = (line: [number, number, number][]): Note[] =>
  line.map(([pitch, start, end]) => ({ pitch, velocity: 80, start: beats(start), end: beats(end) }));
const EXAMPLE: readonly Turn[] = [
  {
    who: "player", start: beats(-8), bars: 2, length: beats(8), tempo: qpm(110), take: null,
    notes: phrase([[62, 0, 1], [65, 1, 1.5], [67, 1.5, 2], [69, 2, 3.5], [67, 4, 5], [65, 5, 5.5], [64, 5.5, 6], [62, 6, 7.5]]),
  },
  {
    who: "kakeai", start: beats(0), bars: 2, length: beats(8), tempo: qpm(110), take: null,
    notes: phrase([[69, 0, 1], [72, 1, 1.5], [74, 1.5, 2], [76, 2, 3], [74, 3, 3.5], [72, 4, 5], [69, 5, 5.5], [67, 5.5, 6], [69, 6, 7.5]]),
  },
];

export function paintRoll(pen: CanvasRenderingContext2D, size: Size, scene: Scene, colours: Colours): void {
  pen.clearRect(0, 0, size.width, size.height);
  const empty = scene.turns.length === 0 && !scene.running;
  const turns = empty ? EXAMPLE : scene.turns;
  const { now, beatsPerBar } = scene;
  const { beatPx, x } = scale(size.width, scene, empty);

  const { from, to } = span(turns);
  const rowPx = (size.height - TOP_PX - BOTTOM_PX) / (to - from + 1);
  const notePx = Math.min(NOTE_PX.most, Math.max(NOTE_PX.least, rowPx * 0.92));
  const y = (pitch: number) => TOP_PX + (to - pitch + 0.5) * rowPx;

  const visible = ({ start, length }: Turn) => x(start + length) > 0 && x(start) < size.width;
  const fields = [...turns, ...scene.ahead.filter(({ start }) => !turns.some((turn) => turn.start === start))];

  for (const turn of fields.filter(visible)) paintField(turn);
  for (let pitch = Math.ceil(from / OCTAVE) * OCTAVE; pitch <= to; pitch += OCTAVE) {
    pen.fillStyle = colours.line;
    pen.fillRect(0, Math.round(y(pitch) + rowPx / 2), size.width, 1);
    pen.fillStyle = colours.muted;
    pen.font = `11px ${colours.font}`;
    pen.fillText(`C${pitch / OCTAVE - 1}`, 8, y(pitch) + rowPx / 2 - 4);
  }
  pen.globalAlpha = empty ? 0.4 : 1;
  for (const turn of [...turns, ...scene.ahead.filter(({ notes }) => notes.length)].filter(visible)) {
    for (const note of turn.notes) paintNote(turn, note);
  }
  pen.globalAlpha = 1;
  if (scene.running) {
    pen.fillStyle = colours.text;
    pen.fillRect(Math.round(x(now)) - 1, 0, 2, size.height);
  }

  function paintField({ who, start, length }: Turn): void {
    pen.fillStyle = colours.stage[who];
    pen.globalAlpha = empty ? 0.6 : 1;
    pen.fillRect(x(start) + 1, 0, length * beatPx - 2, size.height);
    if (scene.running && start <= now && now < start + length) {
      pen.fillStyle = colours[who];
      pen.globalAlpha = 0.12;
      pen.fillRect(x(start) + 1, 0, length * beatPx - 2, size.height);
    }
    pen.fillStyle = colours.muted;
    for (let beat = 0; beat < length; beat += beatPx < BEAT_LINES_PX ? beatsPerBar : 1) {
      pen.globalAlpha = beat % beatsPerBar === 0 ? 0.5 : 0.16;
      pen.fillRect(Math.round(x(start + beat)), TOP_PX, 1, size.height);
    }
    // The name stays in sight as long as the field does.
    pen.globalAlpha = empty ? 0.7 : 1;
    pen.font = `600 13px ${colours.font}`;
    pen.fillStyle = colours.text;
    const width = pen.measureText(scene.names[who]).width;
    const at = Math.max(x(start), 0) + 8;
    if (at + width < x(start + length)) pen.fillText(scene.names[who], at, 19);
    pen.globalAlpha = 1;
  }

  function paintNote({ who, start }: Turn, note: Note): void {
    const from = x(start + note.start);
    const width = Math.max(3, (note.end - note.start) * beatPx - 2);
    const top = y(note.pitch) - notePx / 2;
    const sounds = scene.running && start + note.start <= now && now < start + note.end;
    const shape = new Path2D();
    // Not by colour alone: the player's notes are bars, Kakeai's are round and striped.
    shape.roundRect(from, top, width, notePx, who === "player" ? 2 : notePx / 2);
    pen.save();
    if (scene.running && now < start + note.start) pen.globalAlpha = TO_COME;
    pen.fillStyle = colours[who];
    pen.fill(shape);
    if (who === "kakeai") {
      pen.clip(shape);
      pen.strokeStyle = colours.onAccent;
      pen.globalAlpha *= 0.35;
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (let stripe = from - notePx; stripe < from + width; stripe += 6) {
        pen.moveTo(stripe, top + notePx);
        pen.lineTo(stripe + notePx, top);
      }
      pen.stroke();
    }
    pen.restore();
    if (!sounds) return;
    pen.strokeStyle = colours.text;
    pen.lineWidth = 2;
    pen.stroke(shape);
  }
}

/** Where beats lie: around now while music runs; else the whole dialogue, or as much of its end as fits. */
function scale(width: number, { turns, now, running, smooth, beatsPerBar }: Scene, empty: boolean) {
  const last = turns.at(-1);
  if (running || empty || !last) {
    const beatPx = Math.min(BEAT_PX.most, Math.max(BEAT_PX.least, width / BEATS_ACROSS));
    const inBars = running && !smooth;
    const origin = inBars ? Math.floor(now / beatsPerBar) * beatsPerBar : now;
    const left = width * (inBars ? NOW_AT - 0.1 : NOW_AT);
    return { beatPx, x: (beat: number) => left + (beat - origin) * beatPx };
  }
  const end = endOf(last);
  const room = width - 2 * MARGIN_PX;
  const beatPx = Math.min(WHOLE_BEAT_PX.most, Math.max(WHOLE_BEAT_PX.least, room / end));
  const right = MARGIN_PX + Math.min(room, end * beatPx);
  return { beatPx, x: (beat: number) => right + (beat - end) * beatPx };
}

/** The pitches in view: all that were played, and always a little more than two octaves. */
function span(turns: readonly Turn[]): { from: number; to: number } {
  let { from, to } = LEAST_SPAN;
  for (const { notes } of turns) {
    for (const { pitch } of notes) {
      from = Math.min(from, pitch - 1);
      to = Math.max(to, pitch + 1);
    }
  }
  return { from, to };
}

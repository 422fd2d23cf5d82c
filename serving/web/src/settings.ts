/** What the player sets. This browser remembers it. */

import { type Sound, SOUNDS, type Sounds } from "./audio/sounds";
import { type Store, written } from "./keep/storage";
import { type Dynamics } from "./transport/protocol";

export const BARS = [1, 2, 4] as const;
export const TEMPO = { slowest: 40, fastest: 240 } as const;
/** The nearest tempo that can be set, in whole beats a minute. */
export const settable = (qpm: number): number => Math.round(Math.min(TEMPO.fastest, Math.max(TEMPO.slowest, qpm)));
export const TEMPERATURE = { least: 0.4, most: 1.6, step: 0.1 } as const;
export const METRES = [2, 3, 4, 6] as const; // quarter notes a bar
export const PAUSES = [0.5, 1, 2, 4] as const; // beats
export const THEMES = ["system", "dark", "light"] as const;
export type Theme = (typeof THEMES)[number];

export interface Settings {
  playerBars: number;
  kakeaiBars: number;
  tempo: number; // quarter notes a minute
  temperature: number;
  dynamics: Dynamics;
  clicks: boolean;
  /** Turns end when the player rests, instead of after `playerBars`. */
  free: boolean;
  pause: number; // beats
  /** Quarter notes a bar, from the next session on. */
  metre: number;
  sounds: Sounds;
  theme: Theme;
  /** What the player plays is given to training, where the gateway keeps anything. */
  give: boolean;
}

/** What a visitor finds. */
export const usual = (): Settings => ({
  playerBars: 2,
  kakeaiBars: 2,
  tempo: 110,
  temperature: 1,
  dynamics: "follow",
  clicks: true,
  free: false,
  pause: 1,
  metre: 4,
  sounds: { player: "electric", kakeai: "pipe" },
  theme: "system",
  give: false,
});

const oneOf =
  (choices: readonly unknown[]) =>
  (value: unknown): boolean =>
    choices.includes(value);
const between =
  (least: number, most: number) =>
  (value: unknown): boolean =>
    typeof value === "number" && value >= least && value <= most;
const isSound = oneOf(SOUNDS satisfies readonly Sound[]);
const isSwitch = oneOf([true, false]);

/** What each setting may be: a storage can hold what an older page, or somebody else, has put there. */
const ALLOWED: Readonly<Record<keyof Settings, (value: unknown) => boolean>> = {
  playerBars: oneOf(BARS),
  kakeaiBars: oneOf(BARS),
  tempo: between(TEMPO.slowest, TEMPO.fastest),
  temperature: between(TEMPERATURE.least, TEMPERATURE.most),
  dynamics: oneOf(["follow", "flat"]),
  clicks: isSwitch,
  free: isSwitch,
  pause: oneOf(PAUSES),
  metre: oneOf(METRES),
  sounds: (value) => isRecord(value) && isSound(value.player) && isSound(value.kakeai),
  theme: oneOf(THEMES),
  give: isSwitch,
};

const KEY = "kakeai.settings";

/** The settings of the last visit; the usual ones for what is not there, or is none. */
export function remembered(store: Store): Settings {
  let kept: unknown = null;
  try {
    kept = JSON.parse(store.getItem(KEY) ?? "null");
  } catch {
    // as if nothing were kept
  }
  if (!isRecord(kept)) return usual();
  const valid = Object.entries(ALLOWED).filter(([name, isAllowed]) => isAllowed(kept[name]));
  return { ...usual(), ...Object.fromEntries(valid.map(([name]) => [name, kept[name]])) };
}

/** Where there is no room, the next visit starts with what was kept before. */
export const remember = (store: Store, settings: Settings): void => void written(store, KEY, JSON.stringify(settings));

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

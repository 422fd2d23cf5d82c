/**
 * Which key the music is in: the one whose profile of pitch classes correlates best with how long each sounds
 * (Krumhansl and Kessler 1982).
 */

import { type Note } from "../session/turn";

export interface Key {
  readonly tonic: number; // pitch class, 0 for C
  readonly mode: "major" | "minor";
}

const PROFILES = {
  major: [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
  minor: [6.33, 2.68, 3.52, 5.38, 2.6, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
} as const;
const PITCH_CLASSES = 12;
const FEWEST_PITCH_CLASSES = 4; // fewer fit too many keys

/** The key of some notes, or null while there are too few to tell. */
export function keyOf(notes: readonly Note[]): Key | null {
  const durations = Array.from({ length: PITCH_CLASSES }, () => 0);
  for (const { pitch, start, end } of notes) durations[pitch % PITCH_CLASSES]! += end - start;
  if (durations.filter((duration) => duration > 0).length < FEWEST_PITCH_CLASSES) return null;
  let best: Key | null = null;
  let highest = -Infinity;
  for (const mode of ["major", "minor"] as const) {
    for (let tonic = 0; tonic < PITCH_CLASSES; tonic++) {
      const rotated = durations.map((_, degree) => durations[(degree + tonic) % PITCH_CLASSES] ?? 0);
      const fit = correlation(rotated, PROFILES[mode]);
      if (fit > highest) [highest, best] = [fit, { tonic, mode }];
    }
  }
  return best;
}

function correlation(some: readonly number[], others: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [a, b] = [mean(some), mean(others)];
  let [both, left, right] = [0, 0, 0];
  some.forEach((value, index) => {
    const [x, y] = [value - a, (others[index] ?? b) - b];
    both += x * y;
    left += x * x;
    right += y * y;
  });
  return both / Math.sqrt(left * right);
}

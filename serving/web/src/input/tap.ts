/** Tempo by tapping: the middle one of the last distances between taps. */

import { type Qpm, qpm } from "../time";

const MOST_DISTANCES = 5;
const LONGEST_MS = 2000; // slower than 30 a minute is a new beginning

export class Tap {
  #lastMs = -Infinity;
  #distances: number[] = [];

  /** Take one tap; the tempo once there are two. */
  tap(atMs: number): Qpm | null {
    const distance = atMs - this.#lastMs;
    this.#lastMs = atMs;
    if (distance > LONGEST_MS || distance <= 0) {
      this.#distances = [];
      return null;
    }
    this.#distances = [...this.#distances, distance].slice(-MOST_DISTANCES);
    const sorted = [...this.#distances].sort((a, b) => a - b);
    const middle = sorted[Math.floor(sorted.length / 2)] ?? distance;
    return qpm(Math.round(60_000 / middle));
  }
}

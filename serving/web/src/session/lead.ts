/** How long before a turn's end Kakeai is called, so that its answer is there when the turn is over. */

import { type Beats, beats, type Qpm, type Seconds, seconds, toBeats } from "../time";

/** Two measured round trips on one machine, of up to 50 ms each, and some room. */
const LEAST: Seconds = seconds(0.12);
/** What the answer waits for here: one tick of the clock before it is asked for, and one after it came. */
const TICKS: Seconds = seconds(0.04);
const ROUND_TRIPS = 1.5; // the next one may be slower than the last
const MOST: Beats = beats(1);

/**
 * @param roundTrip how long the last answer took
 * @param lag how much later than it is made a sound is heard
 */
export function leadOf(roundTrip: Seconds, lag: Seconds, tempo: Qpm): Beats {
  const wanted = Math.max(LEAST, ROUND_TRIPS * roundTrip + TICKS) + lag;
  return beats(Math.min(MOST, toBeats(seconds(wanted), tempo)));
}

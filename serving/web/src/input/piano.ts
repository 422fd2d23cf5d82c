/** The keys of the piano on the screen as shapes, and which of them lies under a finger. No page, no events. */

/** A key; lengths are fractions of the piano's width and height. */
export interface PianoKey {
  readonly pitch: number;
  readonly black: boolean;
  readonly left: number;
  readonly width: number;
}

const OCTAVE = 12;
const WHITE_SEMITONES = [0, 2, 4, 5, 7, 9, 11];
const BLACK_WIDTH = 0.6; // of a white key
export const BLACK_HEIGHT = 0.62; // of the piano

/** A white key is at least as wide as a fingertip. */
const WHITE_KEY_PX = 46;
const FEWEST_WHITES = 8;
const MOST_WHITES = 29;
const MIDI_KEYS = 128;

/** How many white keys fit. */
export const whitesIn = (widthPx: number): number =>
  Math.min(MOST_WHITES, Math.max(FEWEST_WHITES, Math.floor(widthPx / WHITE_KEY_PX)));

/** The lowest pitch shown, a C: on a wide piano the computer's keys lie an octave in. */
export const lowestOf = (base: number, whites: number): number =>
  Math.max(0, whites > 2 * WHITE_SEMITONES.length ? base - OCTAVE : base);

/** The keys from a C upwards, the whites first: the blacks lie over them. */
export function pianoKeys(lowest: number, whites: number): PianoKey[] {
  const width = 1 / whites;
  const white = Array.from({ length: whites }, (_, index): PianoKey => {
    const octave = Math.floor(index / WHITE_SEMITONES.length);
    const pitch = lowest + octave * OCTAVE + (WHITE_SEMITONES[index % WHITE_SEMITONES.length] ?? 0);
    return { pitch, black: false, left: index * width, width };
  });
  const black = white.slice(0, -1).flatMap(({ pitch, left }, index): PianoKey[] => {
    if ((white[index + 1]?.pitch ?? pitch) - pitch !== 2) return [];
    return [{ pitch: pitch + 1, black: true, left: left + width * (1 - BLACK_WIDTH / 2), width: width * BLACK_WIDTH }];
  });
  return [...white, ...black].filter(({ pitch }) => pitch < MIDI_KEYS);
}

/** The key at a point of the piano, given as fractions of its width and height; none beside it. */
export function keyAt(keys: readonly PianoKey[], x: number, y: number): PianoKey | null {
  if (y < 0 || y > 1) return null;
  const under = keys.filter(({ left, width, black }) => x >= left && x < left + width && (!black || y < BLACK_HEIGHT));
  return under.find(({ black }) => black) ?? under[0] ?? null;
}

const SOFTEST = 50;
const LOUDEST = 115;

/** Further down a key there is more leverage, and it sounds louder. */
export function velocityAt(key: PianoKey, y: number): number {
  const depth = Math.min(1, Math.max(0, y / (key.black ? BLACK_HEIGHT : 1)));
  return Math.round(SOFTEST + (LOUDEST - SOFTEST) * depth);
}

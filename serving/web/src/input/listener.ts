/** What every way of playing tells: keys of the computer, fingers on the piano, MIDI ports. */
export interface KeyListener {
  /** @param atMs when it happened, on the page's clock (`performance.now()`, the `timeStamp` of events) */
  press(pitch: number, velocity: number, atMs: number): void;
  release(pitch: number, atMs: number): void;
}

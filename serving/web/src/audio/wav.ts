/** Sound as a WAV file: RIFF, 16-bit linear PCM. */

const HEADER_BYTES = 44;
const BYTES_PER_SAMPLE = 2;
const PCM = 1;
const LOUDEST = 2 ** 15 - 1;

/**
 * @param channels samples from -1 to 1, as many in each
 * @param sampleRate samples a second
 */
export function wavFile(channels: readonly Float32Array[], sampleRate: number): Uint8Array<ArrayBuffer> {
  const frames = channels[0]?.length ?? 0;
  const frameBytes = channels.length * BYTES_PER_SAMPLE;
  const dataBytes = frames * frameBytes;
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + dataBytes));
  let at = 0;
  const text = (letters: string) => [...letters].forEach((letter) => view.setUint8(at++, letter.charCodeAt(0)));
  const short = (value: number) => view.setUint16((at += 2) - 2, value, true);
  const long = (value: number) => view.setUint32((at += 4) - 4, value, true);
  text("RIFF");
  long(HEADER_BYTES - 8 + dataBytes);
  text("WAVEfmt ");
  long(16);
  short(PCM);
  short(channels.length);
  long(sampleRate);
  long(sampleRate * frameBytes);
  short(frameBytes);
  short(8 * BYTES_PER_SAMPLE);
  text("data");
  long(dataBytes);
  for (let frame = 0; frame < frames; frame++) {
    for (const channel of channels) {
      const sample = Math.min(1, Math.max(-1, channel[frame] ?? 0));
      view.setInt16((at += 2) - 2, Math.round(sample * LOUDEST), true);
    }
  }
  return new Uint8Array(view.buffer);
}

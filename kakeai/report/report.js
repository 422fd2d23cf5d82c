"use strict";
// Plays a sample's notes ([pitch, start, end] each, in seconds) and moves the line over its piano roll.

let context = null; // made at the first click: browsers let no page sound before
let playing = null; // {button, stop}

const LEAD = 0.08; // seconds between the click and the first note
const LOUDNESS = 0.22;

function voice(pitch, start, end, output) {
  const oscillator = new OscillatorNode(context, { type: "triangle", frequency: 440 * 2 ** ((pitch - 69) / 12) });
  const level = new GainNode(context, { gain: 0 });
  level.gain.setValueAtTime(0, start);
  level.gain.linearRampToValueAtTime(LOUDNESS, start + 0.012);
  level.gain.exponentialRampToValueAtTime(LOUDNESS * 0.35, Math.max(end, start + 0.05));
  level.gain.linearRampToValueAtTime(0, Math.max(end, start + 0.05) + 0.04);
  oscillator.connect(level).connect(output);
  oscillator.start(start);
  oscillator.stop(end + 0.1);
}

function show(button, isPlaying) {
  button.classList.toggle("playing", isPlaying);
  button.querySelector(".verb").textContent = isPlaying ? "Stop" : "Play";
  button.setAttribute("aria-label", button.getAttribute("aria-label").replace(/^\w+/, isPlaying ? "Stop" : "Play"));
}

function play(button) {
  context ??= new AudioContext();
  context.resume();
  const notes = JSON.parse(button.dataset.notes);
  const roll = button.closest(".sample").querySelector(".roll");
  const bars = roll.querySelectorAll(".note");
  const line = roll.querySelector(".playhead");
  const left = Number(line.getAttribute("x1"));
  const right = roll.viewBox.baseVal.width;
  const seconds = Number(button.dataset.seconds);
  const output = new GainNode(context);
  output.connect(context.destination);
  const begin = context.currentTime + LEAD;
  for (const [pitch, start, end] of notes) voice(pitch, begin + start, begin + end, output);

  let frame = 0;
  const stop = () => {
    cancelAnimationFrame(frame);
    output.disconnect();
    roll.classList.remove("moving");
    for (const bar of bars) bar.classList.remove("sounding");
    show(button, false);
    playing = null;
  };
  const move = () => {
    const now = context.currentTime - begin;
    if (now > seconds) return stop();
    line.setAttribute("transform", `translate(${(Math.max(now, 0) / seconds) * (right - left)} 0)`);
    notes.forEach(([, start, end], i) => bars[i].classList.toggle("sounding", start <= now && now < end));
    frame = requestAnimationFrame(move);
  };
  playing = { button, stop };
  show(button, true);
  roll.classList.add("moving");
  move();
}

for (const button of document.querySelectorAll(".play")) {
  button.addEventListener("click", () => {
    const before = playing?.button;
    playing?.stop();
    if (before !== button) play(button);
  });
}

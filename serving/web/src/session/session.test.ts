import { beforeEach, expect, test } from "vitest";
import { beats, qpm } from "../time";
import { type Effect, type Plan, Session } from "./session";
import { type Note } from "./turn";

const LEAD = beats(0.5);
const TAKE = { model: "tiny", version: 3, seed: 7, temperature: 1 };
const note = (pitch: number, start: number, end: number): Note => ({
  pitch,
  velocity: 90,
  start: beats(start),
  end: beats(end),
});
const PLAN: Plan = { playerBars: 1, kakeaiBars: 1, beatsPerBar: 4, tempo: qpm(120), pause: null };
const ANSWER = [note(67, 0, 1), note(69, 1, 2)];

let session: Session;
const at = (now: number): Effect[] => session.advance(beats(now), LEAD);
const kinds = (effects: Effect[]): string[] => effects.map(({ kind }) => kind);
const strike = (pitch: number, now: number) => session.noteOn(pitch, 90, beats(now));
const release = (pitch: number, now: number) => session.noteOff(pitch, beats(now));

beforeEach(() => {
  session = new Session(PLAN);
  session.begin();
});

test("one bar of count-in, then the player's turn at beat 0", () => {
  expect(at(-4)).toEqual([]);
  expect(session.phase).toBe("countIn");
  expect(session.turn).toMatchObject({ who: "player", start: 0 });
  expect(at(0)).toMatchObject([{ kind: "turn", turn: { who: "player", start: 0, length: 4 } }]);
});

test("Kakeai is called a lead before the turn ends, with held notes closed at its end", () => {
  at(0);
  strike(60, 1);
  release(60, 2);
  strike(62, 3);
  expect(at(3.49)).toEqual([]);
  const [call] = at(3.5);
  expect(call).toMatchObject({ kind: "call", round: 0, answerBars: 1, turn: { bars: 1 } });
  expect(call?.kind === "call" && call.turn.notes).toEqual([note(60, 1, 2), note(62, 3, 4)]);
});

test("an answer in time begins exactly where the player's turn ends", () => {
  at(0);
  at(3.5);
  expect(session.answer(0, ANSWER, TAKE, beats(3.6))).toMatchObject([{ kind: "answer", turn: { start: 4 } }]);
  expect(at(3.9)).toEqual([]);
  expect(kinds(at(4))).toEqual(["turn"]);
  expect(session.turn).toMatchObject({ who: "kakeai", start: 4, notes: ANSWER, take: TAKE });
});

test("a late answer waits for the next beat, and the turns after it move by whole beats", () => {
  at(0);
  at(3.5);
  expect(kinds(at(4))).toEqual(["late"]);
  expect(session.phase).toBe("waiting");
  expect(session.answer(0, ANSWER, TAKE, beats(5.2))).toMatchObject([{ turn: { start: 6 } }]);
  expect(at(5.9)).toEqual([]);
  expect(kinds(at(6))).toEqual(["turn"]);
  at(9.5);
  expect(at(10)).toMatchObject([{ kind: "turn", turn: { who: "player", start: 10 } }]);
});

test("an answer that can be heard in time but not be sounded in time is late too", () => {
  at(0);
  at(3.5);
  // The speakers lag: the player still hears beat 3.9 when beat 4.1 is the first that can be made to sound.
  session.answer(0, ANSWER, TAKE, beats(4.1));
  expect(kinds(at(4))).toEqual([]);
  expect(session.phase).toBe("waiting");
  expect(at(5)).toMatchObject([{ kind: "turn", turn: { who: "kakeai", start: 5 } }]);
});

test("the turn to come is in sight, and moves on as long as its answer is waited for", () => {
  at(0);
  expect(session.next(beats(1))).toMatchObject({ who: "kakeai", start: 4, length: 4 });
  at(4);
  expect(session.next(beats(6.5))).toMatchObject({ who: "kakeai", start: 7 });
  session.answer(0, ANSWER, TAKE, beats(6.6));
  expect(session.next(beats(6.7))).toMatchObject({ who: "kakeai", start: 7, notes: ANSWER });
  at(7);
  expect(session.next(beats(8))).toMatchObject({ who: "player", start: 11 });
});

test("only the awaited answer counts", () => {
  at(0);
  expect(session.answer(0, ANSWER, TAKE, beats(1))).toEqual([]); // not called yet
  at(3.5);
  expect(session.answer(7, ANSWER, TAKE, beats(3.6))).toEqual([]); // another round
  expect(session.answer(0, ANSWER, TAKE, beats(3.6))).toHaveLength(1);
  expect(session.answer(0, [], TAKE, beats(3.7))).toEqual([]); // a second one
  session.stop(beats(3.8));
  expect(session.answer(0, ANSWER, TAKE, beats(3.9))).toEqual([]); // after the end
});

test("an answer longer than its turn is cut there", () => {
  at(0);
  at(3.5);
  session.answer(0, [note(60, 3, 9), note(62, 4, 5)], TAKE, beats(3.6));
  at(4);
  expect(session.turn?.notes).toEqual([note(60, 3, 4)]);
});

test("when Kakeai cannot answer, the player goes on at a bar line after a bar's rest", () => {
  at(0);
  at(3.5);
  expect(session.pass(0, beats(3.6))).toEqual([{ kind: "round", at: 8, tempo: 120 }]);
  expect(at(4)).toEqual([]);
  expect(session.phase).toBe("countIn");
  expect(at(8)).toMatchObject([{ kind: "turn", turn: { who: "player", start: 8 } }]);
  at(11.5);
  at(12);
  expect(session.phase).toBe("waiting");
  expect(session.pass(1, beats(17))).toEqual([{ kind: "round", at: 20, tempo: 120 }]);
  expect(session.phase).toBe("countIn");
  expect(session.history()).toHaveLength(2);
  expect(at(20)).toMatchObject([{ kind: "turn", turn: { who: "player", start: 20 } }]);
});

test("a changed plan counts from the next turn on", () => {
  at(0);
  session.plan = { ...PLAN, playerBars: 2, kakeaiBars: 2 };
  expect(at(3.5)).toMatchObject([{ kind: "call", answerBars: 2 }]);
  session.plan = { ...PLAN, playerBars: 1, kakeaiBars: 4 };
  session.answer(0, ANSWER, TAKE, beats(3.6)); // two bars were asked for
  at(4);
  expect(session.turn).toMatchObject({ who: "kakeai", length: 8 });
  session.plan = { ...PLAN, playerBars: 2, kakeaiBars: 4 };
  expect(at(11.5)).toEqual([{ kind: "round", at: 12, tempo: 120 }]);
  session.plan = { ...PLAN, playerBars: 4, kakeaiBars: 4 };
  expect(at(12)).toMatchObject([{ turn: { who: "player", length: 8 } }]);
});

test("a key struck a little early belongs to the turn, one struck earlier does not", () => {
  strike(60, -0.1);
  strike(62, -1);
  at(0);
  strike(64, 2);
  expect(session.turns(beats(3))[0]?.notes).toEqual([note(60, 0, 3), note(64, 2, 3)]);
});

test("what the player plays during Kakeai's turn is nobody's note", () => {
  at(0);
  at(3.5);
  session.answer(0, ANSWER, TAKE, beats(3.6));
  at(4);
  strike(60, 5);
  release(60, 6);
  at(7.5);
  at(8);
  expect(session.turns(beats(9)).map(({ who, notes }) => [who, notes.length])).toEqual([
    ["player", 0],
    ["kakeai", 2],
    ["player", 0],
  ]);
});

test("a note struck after the call still counts for the dialogue", () => {
  at(0);
  at(3.5);
  strike(72, 3.75);
  at(4);
  expect(session.turns(beats(4))[0]?.notes).toEqual([note(72, 3.75, 4)]);
});

test("a new gateway gets the turns before the call that it will be sent again", () => {
  at(0);
  at(3.5);
  session.answer(0, ANSWER, TAKE, beats(3.6));
  at(4);
  expect(session.history().map(({ who }) => who)).toEqual(["player", "kakeai"]);
  at(7.5);
  at(8);
  expect(session.history()).toHaveLength(2);
  at(12); // the second turn of the player waits for its answer
  expect(session.phase).toBe("waiting");
  expect(session.history()).toHaveLength(2);
});

test("stopping keeps what was played and cuts what has not sounded", () => {
  at(0);
  strike(60, 1);
  at(3.5);
  session.answer(0, ANSWER, TAKE, beats(3.6));
  at(4);
  session.stop(beats(4.5));
  expect(session.phase).toBe("idle");
  expect(session.turns(beats(9)).map(({ notes }) => notes)).toEqual([[note(60, 1, 4)], [note(67, 0, 0.5)]]);
});

test("stopping in the player's turn closes held notes there", () => {
  at(0);
  strike(60, 1);
  session.stop(beats(2));
  expect(session.turns(beats(9))[0]?.notes).toEqual([note(60, 1, 2)]);
});

test("after a tab has slept through everything, the machine stands where it would have stood", () => {
  expect(kinds(at(30))).toEqual(["turn", "call", "late"]);
  expect(session.answer(0, ANSWER, TAKE, beats(30.1))).toMatchObject([{ turn: { start: 31 } }]);
});

test("64 turns in time drift by nothing", () => {
  for (let round = 0; round < 32; round++) {
    const start = round * 8;
    at(start + 0.01);
    expect(session.turn).toMatchObject({ who: "player", start });
    at(start + 3.51);
    session.answer(round, ANSWER, TAKE, beats(start + 3.6));
    at(start + 4.01);
    expect(session.turn).toMatchObject({ who: "kakeai", start: start + 4 });
    at(start + 7.51);
  }
});

/** The player's first turn is over and Kakeai's answer to it sounds, from beat 4 on. */
function answered(): void {
  at(0);
  strike(60, 1);
  release(60, 2);
  at(3.5);
  session.answer(0, ANSWER, TAKE, beats(3.6));
  at(4);
}
const who = (now: number): string[] => session.turns(beats(now)).map((turn) => turn.who);

test("again asks for the same phrase once more, and the new answer takes the old one's place at a bar line", () => {
  answered();
  const [hush, call] = session.again(beats(5), LEAD);
  expect(hush).toEqual({ kind: "hush" });
  expect(call).toMatchObject({ kind: "call", round: 0, turn: { who: "player", notes: [note(60, 1, 2)] } });
  expect(who(5)).toEqual(["player"]);
  expect(session.again(beats(5.1), LEAD)).toEqual([]); // one at a time
  expect(session.answer(0, [note(72, 0, 1)], TAKE, beats(5.6))).toMatchObject([{ turn: { start: 8 } }]);
  expect(at(7.9)).toEqual([]);
  expect(kinds(at(8))).toEqual(["turn"]);
  expect(session.turn).toMatchObject({ who: "kakeai", start: 8 });
  expect(who(9)).toEqual(["player", "kakeai"]);
});

test("again in the player's next turn takes that turn back", () => {
  answered();
  at(7.5);
  at(8);
  strike(64, 8.5);
  expect(session.again(beats(9), LEAD)).toMatchObject([{ kind: "hush" }, { kind: "call", round: 0 }]);
  session.answer(0, ANSWER, TAKE, beats(9.6));
  at(12);
  expect(who(12)).toEqual(["player", "kakeai"]);
  at(15.5);
  at(16);
  expect(kinds(at(19.5))).toEqual(["call"]);
  expect(session.round).toBe(1);
});

test("onward lets Kakeai answer its own answer", () => {
  answered();
  expect(session.onward(beats(5), LEAD)).toEqual([]);
  expect(at(7.5)).toMatchObject([{ kind: "call", round: 1, turn: { who: "kakeai", notes: ANSWER } }]);
  expect(session.history().map((turn) => turn.who)).toEqual(["player", "kakeai"]);
  session.answer(1, [note(72, 0, 1)], TAKE, beats(7.6));
  at(8);
  expect(session.turn).toMatchObject({ who: "kakeai", start: 8 });
  expect(kinds(at(11.5))).toEqual(["round"]); // then it is the player's turn again
});

test("undo takes the last exchange back", () => {
  answered();
  at(7.5);
  at(8);
  strike(62, 9);
  expect(session.undo(beats(10))).toEqual([]);
  expect(who(10)).toEqual(["player"]); // the running turn
  session.stop(beats(11));
  expect(who(11)).toEqual(["player"]);
  session.undo(beats(11));
  expect(who(11)).toEqual([]);
});

test("undo while Kakeai plays counts the player in again", () => {
  answered();
  expect(session.undo(beats(5))).toEqual([{ kind: "hush" }, { kind: "round", at: 12, tempo: 120 }]);
  expect(session.phase).toBe("countIn");
  expect(who(5)).toEqual([]);
  expect(at(12)).toMatchObject([{ kind: "turn", turn: { who: "player", start: 12 } }]);
});

test("a dialogue goes on where an earlier one ended", () => {
  answered();
  at(7.5);
  session.stop(beats(8));
  const before = session.turns(beats(8));
  const later = new Session(PLAN);
  expect(later.begin(before)).toBe(8);
  expect(later.history()).toEqual(before);
  expect(later.advance(beats(8), LEAD)).toMatchObject([{ kind: "turn", turn: { who: "player", start: 8 } }]);
});

test("a free turn goes on, bar by bar, until the player has rested", () => {
  session = new Session({ ...PLAN, pause: beats(1) });
  session.begin();
  at(0);
  expect(at(3.5)).toEqual([]); // nothing played: the turn has not begun
  strike(60, 5);
  expect(at(7.5)).toEqual([]); // held
  release(60, 9);
  strike(62, 9);
  release(62, 10.9);
  expect(at(11.5)).toEqual([]); // rested for too short a time
  const [call] = at(15.5);
  expect(call).toMatchObject({ kind: "call", turn: { start: 4, bars: 3, length: 12 } });
  expect(call?.kind === "call" && call.turn.notes.map(({ start, end }) => [start, end])).toEqual([[1, 5], [5, 6.9]]);
  session.answer(0, ANSWER, TAKE, beats(15.6));
  at(16);
  expect(session.turn).toMatchObject({ who: "kakeai", start: 16 });
});

test("a free turn without a rest is handed over after sixteen bars", () => {
  session = new Session({ ...PLAN, pause: beats(1) });
  session.begin();
  at(0);
  strike(60, 0.5);
  expect(at(62)).toEqual([]);
  expect(at(63.5)).toMatchObject([{ kind: "call", turn: { bars: 16 } }]);
});

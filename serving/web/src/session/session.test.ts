import { beforeEach, expect, test } from "vitest";
import { beats } from "../time";
import { type Effect, Session } from "./session";
import { type Note } from "./turn";

const LEAD = beats(0.5);
const TAKE = { model: "tiny", version: 3, seed: 7, temperature: 1 };
const note = (pitch: number, start: number, end: number): Note => ({
  pitch,
  velocity: 90,
  start: beats(start),
  end: beats(end),
});
const ANSWER = [note(67, 0, 1), note(69, 1, 2)];

let session: Session;
const at = (now: number): Effect[] => session.advance(beats(now), LEAD);
const kinds = (effects: Effect[]): string[] => effects.map(({ kind }) => kind);
const strike = (pitch: number, now: number) => session.noteOn(pitch, 90, beats(now));
const release = (pitch: number, now: number) => session.noteOff(pitch, beats(now));

beforeEach(() => {
  session = new Session({ playerBars: 1, kakeaiBars: 1, beatsPerBar: 4 });
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
  expect(session.pass(0, beats(3.6))).toEqual([{ kind: "round", at: 8 }]);
  expect(at(4)).toEqual([]);
  expect(session.phase).toBe("countIn");
  expect(at(8)).toMatchObject([{ kind: "turn", turn: { who: "player", start: 8 } }]);
  at(11.5);
  at(12);
  expect(session.phase).toBe("waiting");
  expect(session.pass(1, beats(17))).toEqual([{ kind: "round", at: 20 }]);
  expect(session.phase).toBe("countIn");
  expect(session.history()).toHaveLength(2);
  expect(at(20)).toMatchObject([{ kind: "turn", turn: { who: "player", start: 20 } }]);
});

test("a changed plan counts from the next turn on", () => {
  at(0);
  session.plan = { playerBars: 2, kakeaiBars: 2, beatsPerBar: 4 };
  expect(at(3.5)).toMatchObject([{ kind: "call", answerBars: 2 }]);
  session.plan = { playerBars: 1, kakeaiBars: 4, beatsPerBar: 4 };
  session.answer(0, ANSWER, TAKE, beats(3.6)); // two bars were asked for
  at(4);
  expect(session.turn).toMatchObject({ who: "kakeai", length: 8 });
  session.plan = { playerBars: 2, kakeaiBars: 4, beatsPerBar: 4 };
  expect(at(11.5)).toEqual([{ kind: "round", at: 12 }]);
  session.plan = { playerBars: 4, kakeaiBars: 4, beatsPerBar: 4 };
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

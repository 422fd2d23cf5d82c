import { expect, test } from "vitest";
import { remember, remembered, usual } from "./settings";

class Memory {
  text: string | null = null;
  getItem = (): string | null => this.text;
  setItem = (_: string, text: string): void => void (this.text = text);
}

test("settings are there again on the next visit", () => {
  const memory = new Memory();
  const mine = {
    ...usual(),
    tempo: 96,
    free: true,
    pause: 0.5,
    sounds: { player: "glass", kakeai: "piano" },
    theme: "light",
  } as const;
  remember(memory, mine);
  expect(remembered(memory)).toEqual(mine);
});

test.each([
  "{",
  "7",
  "null",
  '{"tempo":1000,"metre":5,"pause":"1","clicks":"no","theme":"pink","playerBars":3,"temperature":null}',
  '{"sounds":{"player":"piano","kakeai":"trombone"}}',
  '{"sounds":null,"more":1}',
])("what is no setting is passed over: %s", (text) => {
  const memory = new Memory();
  memory.text = text;
  expect(remembered(memory)).toEqual(usual());
});

test("what is left of damaged settings is kept", () => {
  const memory = new Memory();
  memory.text = '{"tempo":72,"metre":"four"}';
  expect(remembered(memory)).toEqual({ ...usual(), tempo: 72 });
});

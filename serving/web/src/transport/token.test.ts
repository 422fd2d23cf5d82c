import { expect, test } from "vitest";
import { type Store } from "../keep/storage";
import { takeToken, tokenOf } from "./token";

function visit(): Store {
  const kept = new Map<string, string>();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, text) => void kept.set(key, text) };
}

test.each([
  ["#token=a-b_c.~+9", "a-b_c.~+9", ""],
  ["#token=abc&session=xyz", "abc", "session=xyz"],
  ["#session=xyz&token=abc", "abc", "session=xyz"],
])("a token in %s is kept and leaves the rest", (fragment, token, rest) => {
  const store = visit();
  expect(takeToken(fragment, store)).toBe(rest);
  expect(tokenOf(store)).toBe(token);
});

test.each(["", "#", "#session=token=abc"])("without a token in %j, the one there is stays", (fragment) => {
  const store = visit();
  takeToken("#token=before", store);
  expect(takeToken(fragment, store)).toBeNull();
  expect(tokenOf(store)).toBe("before");
});

test.each(["#token=", "#token=two words", "#token=a/b", "#token=%22", `#token=${"a".repeat(513)}`])(
  "what no WebSocket could send is taken away and not kept: %s",
  (fragment) => {
    const store = visit();
    expect(takeToken(fragment, store)).toBe("");
    expect(tokenOf(store)).toBeNull();
  },
);

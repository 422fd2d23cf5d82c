/** What this browser keeps between visits. */

export type Store = Pick<Storage, "getItem" | "setItem">;

/** For browsers that keep nothing, or forbid it. */
const FORGETFUL: Store = { getItem: () => null, setItem: () => {} };

export function browserStore(): Store {
  try {
    return localStorage;
  } catch {
    return FORGETFUL;
  }
}

/** Write, and say whether there was room. */
export function written(store: Store, key: string, text: string): boolean {
  try {
    store.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}

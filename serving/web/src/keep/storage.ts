/** What this browser keeps: between visits, or for one of them. */

export type Store = Pick<Storage, "getItem" | "setItem">;

/** For browsers that keep nothing, or forbid it. */
const FORGETFUL: Store = { getItem: () => null, setItem: () => {} };

/** Kept between visits, for all tabs. */
export const browserStore = (): Store => allowed(() => localStorage);

/** Kept until this tab is closed, for it alone. */
export const visitStore = (): Store => allowed(() => sessionStorage);

function allowed(store: () => Store): Store {
  try {
    return store();
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

/** The sessions that this browser keeps, newest first. */

import { type Piece } from "../session/piece";
import { pack, unpack } from "./packed";
import { type Store, written } from "./storage";

export interface Kept {
  readonly id: string;
  readonly atMs: number; // when it was last played on
  readonly piece: Piece;
}

const KEY = "kakeai.sessions";
const MOST = 30;

export class Shelf {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** What is there; what cannot be read any more is left out. */
  all(): Kept[] {
    let stored: unknown;
    try {
      stored = JSON.parse(this.#store.getItem(KEY) ?? "[]");
    } catch {
      return [];
    }
    if (!Array.isArray(stored)) return [];
    return stored.flatMap((entry: unknown): Kept[] => {
      if (!Array.isArray(entry)) return [];
      const [id, atMs, packed] = entry as unknown[];
      const piece = unpack(packed);
      return typeof id === "string" && typeof atMs === "number" && piece ? [{ id, atMs, piece }] : [];
    });
  }

  /** Keep a session, in the place of an earlier state of it; the oldest one gives way where there is no room. */
  keep(kept: Kept): Kept[] {
    let sessions = [kept, ...this.all().filter(({ id }) => id !== kept.id)].slice(0, MOST);
    while (!this.#write(sessions) && sessions.length > 1) sessions = sessions.slice(0, -1);
    return sessions;
  }

  remove(id: string): Kept[] {
    const sessions = this.all().filter((session) => session.id !== id);
    this.#write(sessions);
    return sessions;
  }

  #write(sessions: readonly Kept[]): boolean {
    const packed = sessions.map(({ id, atMs, piece }) => [id, atMs, pack(piece)]);
    return written(this.#store, KEY, JSON.stringify(packed));
  }
}

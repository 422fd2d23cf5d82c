/** The sessions of this browser: the one at hand, kept as it goes on, and those before it. */

import { type Kept, Shelf } from "./keep/shelf";
import { browserStore } from "./keep/storage";
import { type Piece } from "./session/piece";

export class Sessions {
  all = $state.raw<readonly Kept[]>([]);
  readonly #shelf = new Shelf(browserStore());
  #id = newId();

  constructor() {
    this.all = this.#shelf.all();
  }

  /** The session that was last played on, if any. */
  get newest(): Kept | null {
    return this.all[0] ?? null;
  }

  /** Keep the session at hand as it is now; one of which nothing is left goes. */
  keep(piece: Piece): void {
    this.all =
      piece.turns.length > 0
        ? this.#shelf.keep({ id: this.#id, atMs: Date.now(), piece })
        : this.#shelf.remove(this.#id);
  }

  /** Another session is at hand: a new one, or one that is kept. */
  turnTo(kept: Kept | null): void {
    this.#id = kept?.id ?? newId();
  }

  remove(id: string): void {
    this.all = this.#shelf.remove(id);
    if (id === this.#id) this.turnTo(null);
  }
}

/** Unlike `crypto.randomUUID`, to be had on a page without TLS too. */
const newId = (): string => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

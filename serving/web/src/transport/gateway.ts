/**
 * The WebSocket to the gateway. It stays open as long as the page does: when it falls, it is opened again, with the
 * history of the dialogue, and a call that was not answered is sent once more. The gateway may be another one by then.
 */

import { type GatewayAddress } from "./address";
import { isUnauthorized } from "./models";
import {
  type Adopt,
  type Answer,
  type Call,
  type Problem,
  type Ready,
  readFrame,
  type Release,
  type Start,
  type TempoFrame,
} from "./protocol";

/** `away`: it fell and is tried again; `refused`: the gateway wants another token, and nothing is tried until `open`. */
export type LinkState = "connecting" | "ready" | "away" | "refused";

/** What the page does with what comes; `start` gives the first frame of every connection, with the history so far. */
export interface LinkUser {
  start(): Start;
  onState(state: LinkState): void;
  onReady(ready: Ready): void;
  onAnswer(answer: Answer, roundTripMs: number): void;
  onRelease(release: Release): void;
  onProblem(problem: Problem): void;
}

/**
 * Milliseconds before each new try, at most. The wait itself is random ("full jitter"), so that the pages of a gateway
 * that goes come to the next one spread over a second. That is well before the next turn: a bar at 120 quarter notes a
 * minute takes two seconds.
 */
const RETRY_WITHIN_MS = [1000, 2000, 4000, 8000] as const;

export class GatewayLink {
  readonly #gateway: GatewayAddress;
  readonly #user: LinkUser;
  #socket: WebSocket | null = null;
  #ready = false;
  #opening = 0; // counts `open` and `close`: what was asked before the last of them is of no interest
  #tries = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #unanswered: Call | null = null;
  #begun: Ready | null = null; // how the session goes on, on whatever gateway
  #calledAtMs = 0;

  constructor(gateway: GatewayAddress, user: LinkUser) {
    this.#gateway = gateway;
    this.#user = user;
  }

  /** Open the connection, or open it anew: the gateway forgets what it heard and gets a new `start`. */
  open(): void {
    this.close();
    this.#user.onState("connecting");
    this.#connect();
  }

  /** Begin anew with another `start`; a call that waits for its answer is sent once more. */
  reopen(): void {
    const [unanswered, begun] = [this.#unanswered, this.#begun];
    this.open();
    [this.#unanswered, this.#begun] = [unanswered, begun];
  }

  /** Ask for an answer; it is asked again on every new connection until an answer or a problem has come. */
  call(call: Call): void {
    this.#unanswered = call;
    this.#calledAtMs = performance.now();
    this.#send(call);
  }

  /** Let a newer version answer from now on. */
  adopt(frame: Adopt): void {
    this.#send(frame);
  }

  /** Say the new tempo. A connection that is not there yet will say it in its `start`. */
  tempo(frame: TempoFrame): void {
    this.#send(frame);
  }

  close(): void {
    this.#opening += 1;
    clearTimeout(this.#retry);
    this.#tries = 0;
    this.#unanswered = null;
    this.#begun = null;
    this.#drop();
  }

  #connect(): void {
    const socket = this.#gateway.openSession();
    this.#socket = socket;
    let isOpen = false;
    socket.onopen = () => {
      isOpen = true;
      socket.send(JSON.stringify(this.#start()));
    };
    socket.onmessage = ({ data }) => this.#receive(String(data));
    socket.onclose = () => {
      this.#fell(); // an error is always followed by a close
      if (!isOpen) void this.#askWhy();
    };
  }

  #start(): Start {
    const start = this.#user.start();
    const begun = this.#begun;
    if (!begun || (start.model ?? begun.model) !== begun.model) return start;
    return { ...start, session: begun.session, version: begun.version };
  }

  #send(frame: Call | TempoFrame | Adopt): void {
    if (this.#ready) this.#socket?.send(JSON.stringify(frame));
  }

  #receive(text: string): void {
    const frame = readFrame(text);
    if (frame?.type === "ready") {
      this.#ready = true;
      this.#begun = frame;
      this.#tries = 0;
      this.#user.onReady(frame);
      this.#user.onState("ready");
      if (this.#unanswered) this.#send(this.#unanswered);
    } else if (frame?.type === "answer") {
      this.#unanswered = null;
      this.#user.onAnswer(frame, performance.now() - this.#calledAtMs);
    } else if (frame?.type === "release") {
      this.#user.onRelease(frame);
    } else if (frame?.type === "error") {
      this.#unanswered = null;
      this.#user.onProblem(frame);
      if (!this.#ready) this.#fell(); // a session that did not start: try again later
    }
  }

  #fell(): void {
    this.#drop();
    this.#user.onState("away");
    const bound = RETRY_WITHIN_MS[Math.min(this.#tries, RETRY_WITHIN_MS.length - 1)] as number;
    this.#tries += 1;
    this.#retry = setTimeout(() => this.#connect(), Math.random() * bound);
  }

  /** Why a WebSocket never opened: where only another token would help, try no more. */
  async #askWhy(): Promise<void> {
    const opening = this.#opening;
    if (!(await isUnauthorized(this.#gateway)) || opening !== this.#opening) return;
    clearTimeout(this.#retry);
    this.#drop();
    this.#user.onState("refused");
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#ready = false;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}

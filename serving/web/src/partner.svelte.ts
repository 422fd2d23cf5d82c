/** Who answers: the link to the gateway, and the model at its other end. */

import { type GatewayAddress } from "./transport/address";
import { GatewayLink, type LinkState } from "./transport/gateway";
import { servedModels, type ServedModel } from "./transport/models";
import { type Answer, type Call, type Problem, type Ready, type Start, type TempoFrame } from "./transport/protocol";

/** What the player's side does: `start` says where the session stands, the model aside. */
interface Player {
  start(model: string | null): Start;
  onAnswer(answer: Answer, roundTripMs: number): void;
  onProblem(problem: Problem): void;
}

export class Partner {
  link = $state<LinkState>("connecting");
  /** The model that answers; null until the gateway has told. */
  model = $state.raw<Ready | null>(null);
  /** The models to choose from. */
  models = $state.raw<readonly ServedModel[]>([]);
  /** A newer version than the one that answers. */
  released = $state<number | null>(null);
  /** Why the last call, or the last try to begin, had no answer. */
  problem = $state.raw<Problem | null>(null);

  readonly #link: GatewayLink;
  readonly #gateway: GatewayAddress;
  #chosen: string | null = null;

  constructor(gateway: GatewayAddress, player: Player) {
    this.#gateway = gateway;
    this.#link = new GatewayLink(gateway, {
      start: () => player.start(this.#chosen),
      onState: (state) => {
        if (this.link === "ready") this.problem = null; // it was another connection's
        this.link = state;
      },
      onReady: (ready) => this.#meet(ready),
      onAnswer: (answer, roundTripMs) => player.onAnswer(answer, roundTripMs),
      onRelease: ({ version }) => (this.released = version),
      onProblem: (problem) => {
        this.problem = problem;
        player.onProblem(problem);
      },
    });
  }

  /** Begin a dialogue: the gateway forgets the one before. */
  begin(): void {
    this.#link.open();
  }

  /** Go on with a dialogue that is another one than the gateway knows. */
  retell(): void {
    this.#link.reopen();
  }

  call(call: Call): void {
    this.#link.call(call);
  }

  tempo(frame: TempoFrame): void {
    this.#link.tempo(frame);
  }

  /** Let another model answer, from its next turn on. */
  choose(name: string): void {
    this.#chosen = name;
    this.#link.reopen();
  }

  /** Let the newer version answer. */
  adopt(): void {
    if (this.released !== null) this.#link.adopt({ type: "adopt", version: this.released });
  }

  #meet(ready: Ready): void {
    if (this.model?.model !== ready.model || ready.version >= (this.released ?? 0)) this.released = null;
    this.model = ready;
    this.problem = null;
    void servedModels(this.#gateway).then((models) => (this.models = models));
  }
}

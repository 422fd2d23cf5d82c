/** Where the gateway is, and how the page says who it is. */

import { SUBPROTOCOL, subprotocolOf } from "./protocol";

export class GatewayAddress {
  readonly #session: URL;
  readonly #models: URL;
  readonly #token: () => string | null;

  /**
   * @param page the address that the gateway's routes are relative to
   * @param token the bearer token to send, looked up anew for each request; null sends none
   */
  constructor(page: string, token: () => string | null = () => null) {
    this.#session = new URL("v1/session", page);
    this.#session.protocol = this.#session.protocol.replace("http", "ws");
    this.#models = new URL("v1/models", page);
    this.#token = token;
  }

  /** A new WebSocket to `v1/session`. A browser cannot set its headers, so the token goes in as a subprotocol. */
  openSession(): WebSocket {
    const token = this.#token();
    return token === null
      ? new WebSocket(this.#session)
      : new WebSocket(this.#session, [SUBPROTOCOL, subprotocolOf(token)]);
  }

  /** The answer to `GET v1/models`. Rejects with a TypeError where the gateway cannot be reached. */
  askForModels(): Promise<Response> {
    const token = this.#token();
    const headers = { accept: "application/json", ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
    return fetch(this.#models, { headers });
  }
}

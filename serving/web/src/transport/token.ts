/**
 * The bearer token that a gateway may ask for. It comes once, in the fragment of the link that the player was given
 * (`#token=…`, which browsers send to no server), and is then kept for as long as this tab is open.
 */

import { type Store, written } from "../keep/storage";

const NAME = "token=";
const KEY = "kakeai.token";
/** What can stand in a WebSocket's subprotocol (RFC 9110, token) as well as in a header. */
const SENDABLE = /^[A-Za-z0-9._~+-]{1,512}$/;

/** The token of this visit, or null. */
export const tokenOf = (visit: Store): string | null => visit.getItem(KEY);

/**
 * Keep the token in a fragment, if there is one that can be sent.
 * @returns the fragment without it, or null if there was none
 */
export function takeToken(fragment: string, visit: Store): string | null {
  const parts = fragment.replace(/^#/, "").split("&");
  const found = parts.find((part) => part.startsWith(NAME));
  if (found === undefined) return null;
  const token = found.slice(NAME.length);
  if (SENDABLE.test(token)) written(visit, KEY, token);
  return parts.filter((part) => part !== found).join("&");
}

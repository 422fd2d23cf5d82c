/** Which models the gateway serves. */

import { type GatewayAddress } from "./address";

export interface ServedModel {
  readonly name: string;
  readonly default: boolean;
}

const UNAUTHORIZED = 401; // HTTP

/** The served models; none where the gateway does not say. */
export async function servedModels(gateway: GatewayAddress): Promise<readonly ServedModel[]> {
  try {
    const response = await gateway.askForModels();
    if (!response.ok) return [];
    const said = (await response.json()) as { models?: unknown };
    if (!Array.isArray(said.models)) return [];
    return said.models.filter((model): model is ServedModel => typeof (model as ServedModel).name === "string");
  } catch {
    return [];
  }
}

/**
 * Whether the gateway is there, but asks for another token. A browser does not tell a page why a WebSocket was
 * refused; the status of an ordinary request it tells.
 */
export async function isUnauthorized(gateway: GatewayAddress): Promise<boolean> {
  try {
    return (await gateway.askForModels()).status === UNAUTHORIZED;
  } catch {
    return false;
  }
}

/** Which models the gateway serves. */

export interface ServedModel {
  readonly name: string;
  readonly default: boolean;
}

/** The names of the served models; none where the gateway does not say. */
export async function servedModels(url: string): Promise<readonly ServedModel[]> {
  try {
    const response = await fetch(url, { headers: { accept: "application/json" } });
    if (!response.ok) return [];
    const said = (await response.json()) as { models?: unknown };
    if (!Array.isArray(said.models)) return [];
    return said.models.filter((model): model is ServedModel => typeof (model as ServedModel).name === "string");
  } catch {
    return [];
  }
}

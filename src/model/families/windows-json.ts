// Sliding windows in config.json: one width, and which layers have it.

import type { Fields } from "./config-json.ts";

/**
 * The window of each layer, 0 where it sees all: `sliding_window` where `layer_types` says so or, in files without that, where
 * the family's own rule does; undefined where no layer has one.
 * @throws if `layer_types` is not a list of a kind for each layer.
 */
export function windowsOf(fields: Fields, nLayers: number, slides: (i: number) => boolean): number[] | undefined {
  if (!fields.has("sliding_window")) return undefined;
  const kinds = ["sliding_attention", "full_attention"];
  const types = fields.value("layer_types") ?? Array.from({ length: nLayers }, (_, i) => kinds[slides(i) ? 0 : 1]);
  if (!Array.isArray(types) || types.length !== nLayers || types.some((type) => !kinds.includes(type)))
    throw new Error(
      `${fields.where}: layer_types is ${JSON.stringify(types).slice(0, 200)}, expected ${nLayers} of ${kinds.join(" and ")}`,
    );
  const window = fields.count("sliding_window");
  return types.includes(kinds[0]) ? types.map((type) => (type === kinds[0] ? window : 0)) : undefined;
}

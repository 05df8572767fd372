// Mistral: Llama with a sliding window on all layers, where the file has one.
// Jiang et al. 2023, arXiv 2310.06825; transformers: models/mistral

import type { Family } from "./family.ts";
import { decoderModel, decoderNames, ignores, siluConfig } from "./llama.ts";
import { windowsOf } from "./windows-json.ts";

export const mistral: Family = {
  modelTypes: ["mistral"],
  names: decoderNames,
  config(fields) {
    const config = siluConfig(fields, {});
    return { ...config, windows: windowsOf(fields, config.nLayers, () => true) };
  },
  model: (config, _fields, weights) =>
    decoderModel(config, weights, { qkvBias: false, outputBias: false, feedForwardBias: false, headNorms: false }),
  ignores,
};

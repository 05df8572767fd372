// A model of this thread as the server sees it: for tests and for those who embed the server. Computing keeps this thread
// busy between steps, so `plainformer serve` runs the model in a worker instead.

import type { Plainformer } from "../plainformer.ts";
import type { ServedModel } from "./served-model.ts";

export async function inProcess(model: Plainformer): Promise<ServedModel> {
  return model;
}

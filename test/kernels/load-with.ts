// Run as a process of its own: loads the model that ships with the kernel set of a name, and says which set it got.

import { load } from "../../src/plainformer.ts";

const model = await load(undefined, { kernels: process.argv[2] });
console.log(JSON.stringify(model.kernels));
await model.close();

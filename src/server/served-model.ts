// The library's types under the names that the routes use.

export type {
  EngineLoad,
  GenerateEvent as ServedEvent,
  GenerateOptions as ServedGenerateOptions,
  ServedModel,
  Usage as ServedUsage,
} from "../plainformer.ts";

// What an importer of "plainformer/server" sees: the server as a fetch handler for any model, and as a socket of Node.

export { type ApiKey, keysOf, readKeys } from "./access.ts";
export { type App, type AppOptions, createApp } from "./app.ts";
export { type Ledger, openLedger } from "./ledger.ts";
export type { Limits } from "./limits.ts";
export { jsonLog, type Log } from "./log.ts";
export { type Prices, readPrices } from "./prices.ts";
export { type Listening, type ListenOptions, listen } from "./serve.ts";
export { openSoftPromptStore, type SoftPromptStore } from "./soft-prompt-store.ts";

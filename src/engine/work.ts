// Work on a model that is no sequence: gradients, a trace. It is done in pieces, between steps, one such work at a time, so
// that texts never wait for more than one piece; what a piece leaves in the step's memory lies below the steps' own.

import { sizeOf } from "../../kernels/tensor.ts";
import { type Model, tensorsOf } from "../model/model.ts";
import type { Request } from "./sequence.ts";

/** Before each call that computes, how many multiplications it takes; at the end, the result. */
export type Pieces<Result> = AsyncGenerator<number, Result, void>;

/** A work in the engine. */
export interface Job {
  readonly request: Request;
  readonly signal?: AbortSignal;
  /** Computes on: as much as takes `most` multiplications, but one call at least. → whether it has come to its end */
  advance(most: number): Promise<boolean>;
  /** Ends it where it is: the reason is thrown there, so that it frees what it holds. */
  leave(reason: unknown): Promise<void>;
}

/** A work that has not begun. */
export function createJob<Result>(
  pieces: Pieces<Result>,
  { resolve, reject }: { resolve(result: Result): void; reject(reason: unknown): void },
  signal?: AbortSignal,
): Job {
  let result: Result;
  let left = false;
  let cost = 0; // of the call that comes next
  return {
    request: { resolve: () => resolve(result), reject },
    signal,
    async advance(most) {
      for (let spent = 0; !left && (spent === 0 || spent + cost <= most); ) {
        spent += cost;
        const next = await pieces.next();
        if (left) break;
        if (next.done) {
          result = next.value;
          return true;
        }
        cost = next.value;
      }
      return false;
    },
    async leave(reason) {
      left = true;
      await pieces.throw(reason).catch(() => {});
    },
  };
}

/** Multiplications that a row takes in the matrices of all layers. */
export function rowCost(model: Model): number {
  const matrices = [...tensorsOf(model)].filter(
    ([place, { shape }]) => place.startsWith("layers.") && shape.length === 2,
  );
  return matrices.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
}

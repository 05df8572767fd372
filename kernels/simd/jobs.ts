// What a chunk of each job is: one line per op. Which job has which number matters to nobody else.

import { addChunk } from "./add";
import { attentionChunk, attentionJoinChunk, attentionProbsChunk } from "./attention";
import { gatherChunk } from "./gather";
import { geluChunk } from "./gelu";
import { layerNormChunk } from "./layer-norm";
import { linearChunk, packChunk } from "./linear";
import { rmsNormChunk } from "./rms-norm";
import { multiplyAllChunk, readAllChunk } from "./roofline";
import { ropeChunk } from "./rope";
import { swigluChunk } from "./swiglu";

export enum Job {
  Add,
  Attention,
  AttentionJoin,
  AttentionProbs,
  Gather,
  Gelu,
  LayerNorm,
  Linear,
  MultiplyAll,
  Pack,
  ReadAll,
  RmsNorm,
  Rope,
  Swiglu,
}

export function runChunk(job: i32, chunk: i32): void {
  switch (job) {
    case Job.Add:
      addChunk(chunk);
      break;
    case Job.Attention:
      attentionChunk(chunk);
      break;
    case Job.AttentionJoin:
      attentionJoinChunk(chunk);
      break;
    case Job.AttentionProbs:
      attentionProbsChunk(chunk);
      break;
    case Job.Gather:
      gatherChunk(chunk);
      break;
    case Job.Gelu:
      geluChunk(chunk);
      break;
    case Job.LayerNorm:
      layerNormChunk(chunk);
      break;
    case Job.Linear:
      linearChunk(chunk);
      break;
    case Job.MultiplyAll:
      multiplyAllChunk();
      break;
    case Job.Pack:
      packChunk(chunk);
      break;
    case Job.ReadAll:
      readAllChunk(chunk);
      break;
    case Job.RmsNorm:
      rmsNormChunk(chunk);
      break;
    case Job.Rope:
      ropeChunk(chunk);
      break;
    case Job.Swiglu:
      swigluChunk(chunk);
      break;
  }
}

/** How many chunks of `size` cover `n`. */
export function chunksOf(n: i32, size: i32): i32 {
  return (n + size - 1) / size;
}

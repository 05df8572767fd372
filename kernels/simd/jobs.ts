// What a chunk of each job is: one line per op. Which job has which number matters to nobody else.

import { addChunk } from "./add";
import { attentionChunk, attentionJoinChunk, attentionProbsChunk } from "./attention";
import { attentionBackwardPagesChunk, attentionBackwardRowsChunk } from "./attention-backward";
import { gatherBackwardChunk, gatherChunk } from "./gather";
import { geluBackwardChunk, geluChunk } from "./gelu";
import { layerNormChunk } from "./layer-norm";
import { linearChunk, packChunk } from "./linear";
import { biasBackwardChunk, productChunk, productPackChunk } from "./linear-backward";
import { logProbsBackwardChunk, logProbsChunk } from "./log-probs";
import { normBackwardChunk, normMomentsChunk, normWeightBackwardChunk } from "./norm-backward";
import { rmsNormChunk } from "./rms-norm";
import { multiplyAllChunk, readAllChunk } from "./roofline";
import { ropeChunk } from "./rope";
import { swigluBackwardChunk, swigluChunk } from "./swiglu";

export enum Job {
  Add,
  Attention,
  AttentionBackwardPages,
  AttentionBackwardRows,
  AttentionJoin,
  AttentionProbs,
  BiasBackward,
  Gather,
  GatherBackward,
  Gelu,
  GeluBackward,
  LayerNorm,
  Linear,
  LogProbs,
  LogProbsBackward,
  MultiplyAll,
  NormBackward,
  NormMoments,
  NormWeightBackward,
  Pack,
  Product,
  ProductPack,
  ReadAll,
  RmsNorm,
  Rope,
  Swiglu,
  SwigluBackward,
}

export function runChunk(job: i32, chunk: i32): void {
  switch (job) {
    case Job.Add:
      addChunk(chunk);
      break;
    case Job.Attention:
      attentionChunk(chunk);
      break;
    case Job.AttentionBackwardPages:
      attentionBackwardPagesChunk(chunk);
      break;
    case Job.AttentionBackwardRows:
      attentionBackwardRowsChunk(chunk);
      break;
    case Job.AttentionJoin:
      attentionJoinChunk(chunk);
      break;
    case Job.AttentionProbs:
      attentionProbsChunk(chunk);
      break;
    case Job.BiasBackward:
      biasBackwardChunk(chunk);
      break;
    case Job.Gather:
      gatherChunk(chunk);
      break;
    case Job.GatherBackward:
      gatherBackwardChunk(chunk);
      break;
    case Job.Gelu:
      geluChunk(chunk);
      break;
    case Job.GeluBackward:
      geluBackwardChunk(chunk);
      break;
    case Job.LayerNorm:
      layerNormChunk(chunk);
      break;
    case Job.Linear:
      linearChunk(chunk);
      break;
    case Job.LogProbs:
      logProbsChunk(chunk);
      break;
    case Job.LogProbsBackward:
      logProbsBackwardChunk(chunk);
      break;
    case Job.MultiplyAll:
      multiplyAllChunk();
      break;
    case Job.NormBackward:
      normBackwardChunk(chunk);
      break;
    case Job.NormMoments:
      normMomentsChunk(chunk);
      break;
    case Job.NormWeightBackward:
      normWeightBackwardChunk(chunk);
      break;
    case Job.Pack:
      packChunk(chunk);
      break;
    case Job.Product:
      productChunk(chunk);
      break;
    case Job.ProductPack:
      productPackChunk(chunk);
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
    case Job.SwigluBackward:
      swigluBackwardChunk(chunk);
      break;
  }
}

/** How many chunks of `size` cover `n`. */
export function chunksOf(n: i32, size: i32): i32 {
  return (n + size - 1) / size;
}

// GET, PUT and DELETE /soft_prompts[/{name}]: rows that a caller keeps here and puts into prompts by name. In and out as a
// safetensors file, as PEFT writes it (application/octet-stream), or as JSON with a tensor.

import { z } from "zod";
import { blobSource } from "../../../weights/byte-source.ts";
import { FieldError } from "../../field-error.ts";
import { readSoftPrompt } from "../../prompt/soft-prompt-file.ts";
import { checkFingerprint, checkSoftPromptName, type SoftPrompt } from "../../prompt/soft-prompts.ts";
import { ApiError } from "../errors.ts";
import type { Call, Operation, RouteContext } from "../operation.ts";
import type { SoftPromptStore, Tenant } from "../soft-prompt-store.ts";
import { tensorOutSchema, tensorReader, tensorSchema, wireTensor } from "../wire/tensor.ts";

const entrySchema = z.object({
  object: z.literal("soft_prompt"),
  name: z.string(),
  created: z.int().describe("Seconds since 1970."),
  shape: z.array(z.int()).nullable().describe("Rows and width; null: the file on the server is broken."),
  fingerprint: z.string().nullable().describe("Of the model that it belongs to."),
  usable: z.boolean().describe("Whether that is the loaded model."),
});

type Entry = z.infer<typeof entrySchema>;

export const listSoftPrompts: Operation = {
  method: "get",
  path: "/soft_prompts",
  summary: "The caller's soft prompts",
  responses: { 200: z.object({ object: z.literal("list"), data: z.array(entrySchema) }) },
  async handle(context, _, { tenant }) {
    const store = storeOf(context);
    const data: Entry[] = [];
    for (const name of await store.names(tenant)) {
      const found = await store.get(tenant, name).catch(() => null);
      if (found !== undefined) data.push(await entryOf(context, store, tenant, name, found));
    }
    return Response.json({ object: "list", data });
  },
};

export const getSoftPrompt: Operation = {
  method: "get",
  path: "/soft_prompts/:name",
  summary: "One soft prompt: JSON, or the safetensors file to those who accept application/octet-stream",
  responses: { 200: entrySchema.extend({ embeds: tensorOutSchema }) },
  async handle(context, _, { tenant, accept }, { name }) {
    const store = storeOf(context);
    checkSoftPromptName(name, "name");
    if (/\bapplication\/octet-stream\b/i.test(accept)) {
      const bytes = await store.bytes(tenant, name);
      if (!bytes) throw unknown(name);
      return new Response(Buffer.from(bytes), { headers: { "content-type": "application/octet-stream" } });
    }
    const found = await store.get(tenant, name);
    if (!found) throw unknown(name);
    const entry = await entryOf(context, store, tenant, name, found);
    return Response.json({ ...entry, embeds: wireTensor(found, "f32") });
  },
};

const bodySchema = z.object({
  embeds: tensorSchema,
  fingerprint: z
    .string()
    .nullish()
    .describe(
      "Of the model that the rows were made for, as /models tells it; refused where the loaded one has another.",
    ),
});

type Body = Partial<z.infer<typeof bodySchema>> & { safetensors?: Uint8Array };

export const putSoftPrompt: Operation<Body> = {
  method: "put",
  path: "/soft_prompts/:name",
  summary: "Keep rows under a name: JSON, or a safetensors file with prompt_embeddings as application/octet-stream",
  body: bodySchema,
  octets: (safetensors) => ({ safetensors }),
  responses: { 200: entrySchema },
  async handle(context, body, call, { name }) {
    const store = storeOf(context);
    const { model, limits } = context;
    checkSoftPromptName(name, "name");
    const given = await rowsOf(context, body);
    checkFingerprint(given, model.fingerprint, "fingerprint");
    const names = await store.names(call.tenant);
    if (!names.includes(name) && names.length >= limits.maxSoftPrompts)
      throw new FieldError(
        "name",
        `there are ${names.length} soft prompts already, expected at most ${limits.maxSoftPrompts}`,
      );
    const kept = { ...given, fingerprint: model.fingerprint };
    await store.put(call.tenant, name, kept).catch(refuseFullDisk);
    return Response.json(await entryOf(context, store, call.tenant, name, kept));
  },
};

export const deleteSoftPrompt: Operation = {
  method: "delete",
  path: "/soft_prompts/:name",
  summary: "Forget a soft prompt",
  responses: { 200: z.object({ object: z.literal("soft_prompt"), name: z.string(), deleted: z.literal(true) }) },
  async handle(context, _, { tenant }: Call, { name }) {
    const store = storeOf(context);
    checkSoftPromptName(name, "name");
    if (!(await store.delete(tenant, name))) throw unknown(name);
    return Response.json({ object: "soft_prompt", name, deleted: true });
  },
};

/** What was sent, checked. @throws FieldError */
async function rowsOf({ model, limits }: RouteContext, body: Body): Promise<SoftPrompt> {
  const { dModel } = model.config;
  if (!body.safetensors) {
    const rows = tensorReader(dModel, limits.maxEmbedRows)(body.embeds, "embeds");
    return { ...rows, fingerprint: body.fingerprint ?? undefined };
  }
  const source = blobSource(new Blob([body.safetensors as Uint8Array<ArrayBuffer>]), "safetensors");
  const found = await readSoftPrompt(source).catch((error: Error) => {
    throw new FieldError("body", error.message); // whatever is wrong with bytes in memory was sent
  });
  const [n, width] = found.shape;
  if (width !== dModel)
    throw new FieldError("body", `prompt_embeddings has rows ${width} wide, expected the model's width of ${dModel}`);
  if (n > limits.maxEmbedRows)
    throw new FieldError("body", `its ${n} rows are too many, expected at most ${limits.maxEmbedRows}`);
  return found;
}

const diskCodes = ["ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "EACCES", "EMFILE", "ENFILE"];

/** A full or broken disk is told as such. */
function refuseFullDisk(error: NodeJS.ErrnoException): never {
  const code = error.code ?? (error.cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === undefined || !diskCodes.includes(code)) throw error;
  throw new ApiError(503, `The server's disk does not take it (${code}): nothing was saved, and nothing was lost`);
}

async function entryOf(
  { model }: RouteContext,
  store: SoftPromptStore,
  tenant: Tenant,
  name: string,
  found: SoftPrompt | null,
): Promise<Entry> {
  return {
    object: "soft_prompt",
    name,
    created: Math.floor((await store.savedAt(tenant, name)) / 1000),
    shape: found ? [...found.shape] : null,
    fingerprint: found?.fingerprint ?? null,
    usable: found?.fingerprint === model.fingerprint,
  };
}

function storeOf({ softPrompts }: RouteContext): SoftPromptStore {
  if (!softPrompts) throw new ApiError(404, "This server keeps no soft prompts: it was started without --soft-prompts");
  return softPrompts;
}

function unknown(name: string): ApiError {
  return new ApiError(404, `There is no soft prompt named ${JSON.stringify(name)}`, { param: "name" });
}

// The OpenAPI 3.1 document, made from the operations' own schemas (JSON Schema 2020-12, which OpenAPI 3.1 is a superset of).

import { z } from "zod";
import { errorCodes } from "./errors.ts";
import type { Operation } from "./operation.ts";

type Json = Record<string, unknown>;

const error = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.enum(errorCodes),
  }),
});

const refusals: Record<number, string> = {
  400: "Not JSON, or a field that is wrong: `param` names it",
  401: "No API key, or an unknown one",
  402: "The key's balance is used up",
  403: "Without keys: a host that is not this machine",
  404: "No such thing",
  408: "The request came too slowly",
  413: "The body is too large",
  415: "The body is not application/json",
  422: "Something else where an object belongs",
  429: "Too many requests of this key: see Retry-After",
  500: "An internal error",
  503: "Too much to do, or shutting down: see Retry-After",
};

const withoutBody = [401, 403, 404, 429, 500, 503];
const withName = [400, ...withoutBody];

/** The document for these operations on a model that answers to these names, its own first. */
export function buildOpenApi(operations: readonly Operation[], modelNames: readonly string[]): object {
  const schemas: Json = { Error: schemaOf(error, "output", "Error", {}) };
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const { method, summary, body, events, open } = operation;
    const path = operation.path.replace(/:(\w+)/g, "{$1}");
    const name = `${method}${path.replace(/[^A-Za-z]+([A-Za-z])?/g, (_, letter = "") => letter.toUpperCase())}`;
    const responses: Json = {};
    const bodyless = operation.path.includes(":") ? withName : withoutBody;
    for (const status of open ? [403, 500] : body ? Object.keys(refusals) : bodyless)
      responses[status] = {
        description: refusals[Number(status)],
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      };
    for (const [status, schema] of Object.entries(operation.responses)) {
      const content: Json = {
        [operation.type ?? "application/json"]: { schema: schemaOf(schema, "output", `${name}${status}`, schemas) },
      };
      if (events && status === "200")
        content["text/event-stream"] = {
          schema: {
            description: "Lines `data: {…}`, each a JSON object as below, then `data: [DONE]`",
          },
          "x-event-schema": schemaOf(events, "output", `${name}Event`, schemas),
        };
      responses[status] = { description: status === "200" ? "Done" : (refusals[Number(status)] ?? "Done"), content };
    }
    const parameters = [...operation.path.matchAll(/:(\w+)/g)].map(([, parameter]) => ({
      name: parameter,
      in: "path",
      required: true,
      schema: { type: "string", minLength: 1 },
    }));
    paths[path] = {
      ...paths[path],
      [method]: {
        operationId: name,
        summary,
        ...(open ? { security: [] } : {}),
        ...(parameters.length > 0 ? { parameters } : {}),
        ...(body
          ? {
              requestBody: {
                required: true,
                content: {
                  "application/json": {
                    schema: withModels(schemaOf(body, "input", `${name}Body`, schemas), modelNames),
                  },
                },
              },
            }
          : {}),
        responses,
      },
    };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "plainformer",
      version: "1",
      description: `DeepSeek's API with embeddings in, served by ${modelNames[0]}. Beta features need the prefix /beta.`,
    },
    servers: [{ url: "/" }, { url: "/v1" }, { url: "/beta" }],
    security: [{ key: [] }, {}],
    paths,
    components: { schemas, securitySchemes: { key: { type: "http", scheme: "bearer" } } },
  };
}

/** A body's schema with the names that its field `model` may have. */
function withModels(schema: Json, names: readonly string[]): Json {
  const properties = schema.properties as Json | undefined;
  if (!properties?.model) return schema;
  return { ...schema, properties: { ...properties, model: { type: "string", enum: names } } };
}

/** A Zod schema as JSON Schema; what it calls $defs is moved into `shared`, where references of the document can reach. */
function schemaOf(schema: z.ZodType, io: "input" | "output", name: string, shared: Json): Json {
  const {
    $schema: _,
    $defs,
    ...rest
  } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json & { $defs?: Json };
  const moved = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(moved);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) =>
        key === "$ref" && typeof inner === "string"
          ? [
              key,
              inner === "#"
                ? `#/components/schemas/${name}`
                : inner.replace(/^#\/\$defs\//, `#/components/schemas/${name}.`),
            ]
          : [key, moved(inner)],
      ),
    );
  };
  for (const [key, inner] of Object.entries($defs ?? {})) shared[`${name}.${key}`] = moved(inner);
  const own = moved(rest) as Json;
  if (!JSON.stringify(own).includes(`"#/components/schemas/${name}"`)) return own;
  shared[name] = own;
  return { $ref: `#/components/schemas/${name}` };
}

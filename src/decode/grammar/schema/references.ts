// Where a `$ref` leads: within the schema document, by JSON pointer, by `$id` (draft 4: `id`) and by anchor. Documents
// elsewhere are never fetched. Sources: JSON Schema 2020-12 core section 8 and 9, draft-07 section 8, RFC 3986 section 5.

import { escapePointer, schemaFault, shown } from "./fault.ts";

/** A part of the document that has a base address of its own: the root, or a schema with `$id`. */
export interface Resource {
  readonly raw: unknown;
  /** JSON pointer. */
  readonly at: string;
  readonly base: string;
  readonly draft: Draft;
}

/** The draft that `$schema` names; undefined where none is named: then keywords are read by their shape. */
export type Draft = 3 | 4 | 6 | 7 | 2019 | 2020 | undefined;

/** What a reference leads to. */
export interface Target {
  readonly raw: unknown;
  readonly at: string;
  readonly resource: Resource;
}

export interface Document {
  readonly root: Resource;
  /** The resource that a schema at a pointer begins, or the one it stands in. */
  enter(raw: object, at: string, around: Resource): Resource;
  /** Throws a FieldError if it leads nowhere, or out of the document. */
  resolve(reference: string, from: Resource, at: string): Target;
  /** As `resolve`, for `$dynamicRef` and `$recursiveRef`, where the document leaves only one target. */
  resolveDynamic(reference: string, from: Resource, at: string): Target;
}

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const homeless = "schema:///";

export function createDocument(raw: unknown): Document {
  const start: Resource = { raw, at: "", base: homeless, draft: undefined };
  const enter = (raw: object, at: string, around: Resource): Resource => {
    const { $schema } = raw as Json;
    const draft = typeof $schema === "string" ? draftOf($schema) : around.draft;
    const id = idOf(raw as Json, draft);
    if (at !== "" && (id === undefined || id.startsWith("#"))) return around;
    return { raw, at, draft, base: id === undefined ? around.base : withoutFragment(absolute(id, around.base)) };
  };
  const root = isObject(raw) ? enter(raw, "", start) : start;

  /** By address: resources, and anchors behind a #. */
  const index = new Map<string, Target>();
  const dynamicAnchors = new Map<string, number>();
  let recursiveAnchors = 0;
  let indexed = false;
  const scan = () => {
    if (indexed) return;
    indexed = true;
    for (const { raw: schema, at, around } of schemasIn(raw)) {
      const resource = at === "" ? root : enter(schema, at, around.resource);
      around.resource = resource;
      const target = { raw: schema, at, resource };
      if (resource.at === at && !index.has(resource.base)) index.set(resource.base, target);
      const id = idOf(schema, resource.draft);
      const anchors = [schema.$anchor, schema.$dynamicAnchor, id?.startsWith("#") ? id.slice(1) : undefined];
      for (const anchor of anchors) if (typeof anchor === "string") index.set(`${resource.base}#${anchor}`, target);
      if (typeof schema.$dynamicAnchor === "string")
        dynamicAnchors.set(schema.$dynamicAnchor, (dynamicAnchors.get(schema.$dynamicAnchor) ?? 0) + 1);
      if (schema.$recursiveAnchor === true) recursiveAnchors++;
    }
  };

  /** Follows a pointer from a resource's root; undefined if it leads nowhere. */
  const follow = (pointer: string, from: Resource): Target | undefined => {
    let [raw, at, resource] = [from.raw, from.at, from];
    if (pointer === "") return { raw, at, resource };
    for (const step of pointer.slice(1).split("/")) {
      const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
      if (isObject(raw) && at !== from.at) resource = enter(raw, at, resource);
      if (typeof raw !== "object" || raw === null || !Object.hasOwn(raw, name)) return undefined;
      raw = (raw as Json)[name];
      at = `${at}/${escapePointer(name)}`;
    }
    return { raw, at, resource };
  };

  const resolve = (reference: string, from: Resource, at: string): Target => {
    const nowhere = () => schemaFault(at, `"$ref" ${shown(reference)} leads nowhere`, "invalid_value");
    const [address, fragment = ""] = split(reference);
    let resource: Resource | undefined = from;
    if (address !== "" && withoutFragment(absolute(address, from.base)) !== from.base) {
      scan();
      resource = index.get(withoutFragment(absolute(address, from.base)))?.resource;
      if (!resource) throw schemaFault(at, `"$ref" ${shown(reference)} is not supported: it leads out of the schema`);
    }
    let pointer: string;
    try {
      pointer = decodeURIComponent(fragment);
    } catch {
      throw schemaFault(at, `"$ref" ${shown(reference)} is not a valid reference`, "invalid_value");
    }
    if (pointer === "" || pointer.startsWith("/")) {
      // A pointer that is meant from the root although an `$id` lies between is taken as it is meant.
      const target = follow(pointer, resource) ?? (address === "" ? follow(pointer, root) : undefined);
      if (!target) throw nowhere();
      return target;
    }
    scan();
    const target = index.get(`${resource.base}#${pointer}`);
    if (!target) throw nowhere();
    return target;
  };

  return {
    root,
    enter,
    resolve,
    resolveDynamic(reference, from, at) {
      const target = resolve(reference, from, at);
      scan();
      const name = split(reference)[1] ?? "";
      const several =
        name === ""
          ? recursiveAnchors > 1 && isObject(target.raw) && target.raw.$recursiveAnchor === true
          : isObject(target.raw) && target.raw.$dynamicAnchor === name && (dynamicAnchors.get(name) ?? 0) > 1;
      if (several)
        throw schemaFault(at, `${shown(reference)} is dynamic and has several targets, which is not supported`);
      return target;
    },
  };
}

/** Draft by the address in `$schema`. */
function draftOf($schema: string): Draft {
  const found = /draft[-/](?:0?([3467])\b|(20\d\d))/.exec($schema);
  return (found ? Number(found[1] ?? found[2]) : undefined) as Draft;
}

/** A schema's own address; until draft 7 a `$ref` beside it hides it. */
function idOf(raw: Json, draft: Draft): string | undefined {
  const id = draft === 4 || draft === 3 ? raw.id : raw.$id;
  return typeof id === "string" && !(isOld(draft) && typeof raw.$ref === "string") ? id : undefined;
}

/** Drafts in which nothing beside a `$ref` counts. */
export const isOld = (draft: Draft) => draft !== undefined && draft <= 7;

const split = (reference: string) => reference.split(/#(.*)/s) as [string, string?];
const withoutFragment = (address: string) => split(address)[0];

function absolute(reference: string, base: string): string {
  try {
    return new URL(reference, base).href;
  } catch {
    return reference;
  }
}

const inOne = [
  ...["additionalProperties", "items", "additionalItems", "contains", "propertyNames", "not", "if", "then", "else"],
  ...["unevaluatedProperties", "unevaluatedItems", "contentSchema"],
];
const inLists = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
const inMaps = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

/** Every schema of a document that stands where schemas stand; who walks says in which resource each is. */
function* schemasIn(raw: unknown): Generator<{ raw: Json; at: string; around: { resource: Resource } }> {
  const none: Resource = { raw, at: "", base: homeless, draft: undefined };
  const open: { raw: unknown; at: string; around: { resource: Resource } }[] = [
    { raw, at: "", around: { resource: none } },
  ];
  for (let next = open.pop(); next; next = open.pop()) {
    const { raw, at, around } = next;
    if (!isObject(raw)) continue;
    const own = { resource: around.resource };
    yield { raw, at, around: own };
    const add = (raw: unknown, step: string) => open.push({ raw, at: `${at}/${step}`, around: own });
    for (const name of inOne) if (isObject(raw[name])) add(raw[name], name);
    for (const name of inLists)
      if (Array.isArray(raw[name]))
        for (const [i, item] of (raw[name] as unknown[]).entries()) add(item, `${name}/${i}`);
    for (const name of inMaps)
      if (isObject(raw[name]))
        for (const [key, item] of Object.entries(raw[name])) add(item, `${name}/${escapePointer(key)}`);
  }
}

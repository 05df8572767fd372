// Byte sources: a file, a URL and a Blob give the same bytes; what a server does wrong is one sentence, never wrong bytes.

import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { blobSource, fileSource, urlSource } from "../../weights/byte-source.ts";
import { folderAt, folderOf, readJson, readText } from "../../weights/folder.ts";
import { openGguf } from "../../weights/gguf.ts";
import { openSafetensors } from "../../weights/safetensors.ts";
import { type FileServer, type Spoil, serveFiles } from "./file-server.ts";

const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);
let directory: string;
let server: FileServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "byte-source-"));
  await writeFile(join(directory, "large"), content);
  await writeFile(join(directory, "empty"), "");
  await writeFile(join(directory, "a b.json"), '{"é": 1}');
  await writeFile(join(directory, "list.json"), "[1]");
  await writeFile(join(directory, "model.safetensors"), "x");
  server = await serveFiles(directory);
});
afterAll(() => Promise.all([server.close(), rm(directory, { recursive: true })]));
beforeEach(() => {
  server.spoil = () => undefined;
  server.log.length = 0;
});

const sources = {
  file: () => fileSource(join(directory, "large")),
  URL: () => urlSource(`${server.url}large`),
  Blob: async () => blobSource(new Blob([content]), "large"),
};

describe.each(Object.entries(sources))("a %s", (_, open) => {
  test.each([
    [0, 0],
    [0, 1],
    [0, 65_536],
    [65_535, 65_537],
    [299_999, 300_000],
    [300_000, 300_000],
    [0, 300_000],
  ])("the bytes %i to %i", async (from, to) => {
    const source = await open();
    expect(source.size).toBe(300_000);
    expect(source.name).toMatch(/large$/);
    const expected = content.subarray(from, to);
    expect(Buffer.compare(await source.read(from, to), expected)).toBe(0);
    const shared = new Uint8Array(new SharedArrayBuffer(to - from + 16));
    const into = shared.subarray(8, 8 + to - from);
    expect(await source.read(from, to, into)).toBe(into);
    expect(Buffer.compare(into, expected)).toBe(0);
    expect([...shared.subarray(0, 8), ...shared.subarray(8 + to - from)]).toEqual(new Array(16).fill(0));
    await source.close();
  });

  test("beyond its end there is nothing", async () => {
    const source = await open();
    await expect(source.read(299_999, 300_001)).rejects.toThrow(/end/);
    await source.close();
  });
});

test("a file that shrinks is an error", async () => {
  const path = join(directory, "shrinks");
  await writeFile(path, content);
  const source = await fileSource(path);
  await truncate(path, 100);
  await expect(source.read(0, 200)).rejects.toThrow("it ended at byte 100 while it was open");
  await source.close();
});

describe("a URL", () => {
  type SpoilRange = (first: number, last: number) => Spoil;
  const atOpening = (spoil: SpoilRange) => {
    server.spoil = (_, first, last) => spoil(first, last);
    return urlSource(`${server.url}large`);
  };
  const later = async (spoil: SpoilRange) => {
    server.spoil = () => undefined;
    const source = await urlSource(`${server.url}large`);
    server.spoil = (_, first, last) => spoil(first, last);
    return source.read(100_000, 100_010);
  };
  const range = (first: number, last: number, size: number | string): Spoil => ({
    headers: { "Content-Range": `bytes ${first}-${last}/${size}` },
  });

  test("a small file is one request, and an empty one is empty", async () => {
    const source = await urlSource(`${server.url}empty`);
    expect(source.size).toBe(0);
    expect(await readText(folderAt(server.url), "a b.json")).toBe('{"é": 1}');
    expect(server.log).toEqual(["empty bytes=0-65535", "a b.json bytes=0-65535"]);
  });

  test.each<[string, SpoilRange, string]>([
    ["no ranges", () => ({ status: 200 }), "the server answered 200 to a request for a range, expected 206: it must"],
    ["a refusal", () => ({ status: 403 }), "the server answered 403 Forbidden, expected 206"],
    ["a failure", () => ({ status: 500 }), "the server answered 500 Internal Server Error, expected 206"],
    ["another begin", (first, last) => range(first + 7, last, 300_000), 'the server sent content-range "bytes '],
    ["another end", (first, last) => range(first, last - 7, 300_000), 'the server sent content-range "bytes '],
    ["an unknown size", (first, last) => range(first, last, "*"), 'the server sent content-range "bytes '],
    ["no content-range", () => ({ headers: { "Content-Range": "" } }), "the server sent no content-range that can be"],
    ["a compressed range", () => ({ headers: { "Content-Encoding": "gzip" } }), "a range in content-encoding gzip"],
    ["a body that breaks off", () => ({ cutAfter: 4 }), "the answer broke off at byte "],
    ["a body that is too short", () => ({ body: content.subarray(0, 3) }), "the answer broke off at byte "],
    ["a body that is too long", () => ({ body: content.subarray(0, 70_000) }), "the server sent more than the "],
  ])("%s, at once or later", async (_, spoil, message) => {
    await expect(atOpening(spoil)).rejects.toThrow(message);
    await expect(later(spoil)).rejects.toThrow(message);
  });

  test.each<[string, SpoilRange]>([
    ["another ETag", () => ({ headers: { ETag: '"new"' } })],
    ["another size", (first, last) => range(first, last, 300_001)],
  ])("%s: it changed while it was open", async (_, spoil) => {
    await expect(later(spoil)).rejects.toThrow("it changed on the server while it was open");
  });

  test("where nobody listens, and after it was closed", async () => {
    const other = await serveFiles(directory);
    await other.close();
    await expect(urlSource(`${other.url}large`)).rejects.toThrow(/^the server cannot be reached \(.*ECONNREFUSED/);
    const source = await urlSource(`${server.url}large`);
    await source.close();
    await expect(source.read(0, 1)).rejects.toThrow("it is closed");
  });
});

describe("a folder", () => {
  const places = {
    directory: () => directory,
    URL: () => server.url,
    "URL without a slash": () => server.url.slice(0, -1),
  };

  test.each(Object.entries(places))("of a %s", async (_, place) => {
    const folder = folderAt(place());
    expect(await readJson(folder, "a b.json")).toEqual({ é: 1 });
    expect(await readText(folder, "nothing")).toBeUndefined();
    expect(await folder.open("nothing")).toBeUndefined();
    await expect(readJson(folder, "list.json")).rejects.toThrow(`${folder.placeOf("list.json")}: expected an object`);
    await expect(readJson(folder, "large")).rejects.toThrow(`${folder.placeOf("large")}: not valid JSON`);
    expect(await readText(folderOf(folder.placeOf("large")), "a b.json")).toBe('{"é": 1}');
  });

  test("what cannot be read is named", async () => {
    server.spoil = () => ({ status: 200 });
    await expect(readText(folderAt(server.url), "large")).rejects.toThrow(
      `${server.url}large: cannot be read: the server answered 200`,
    );
    await expect(openSafetensors(server.url)).rejects.toMatchObject({
      rule: "file",
      file: `${server.url}model.safetensors`,
    });
    await expect(openGguf(`${server.url}large`)).rejects.toMatchObject({ rule: "file", file: `${server.url}large` });
  });

  test("a query stays with every file", () => {
    const folder = folderAt("https://example.com/models/one/?key=a%2Fb");
    expect(folder.placeOf("config.json")).toBe("https://example.com/models/one/config.json?key=a%2Fb");
    expect(folderOf(folder.placeOf("x.safetensors")).name).toBe("https://example.com/models/one/?key=a%2Fb");
  });
});

// What a test file starts ends with it. Modules outlive a file here (vitest.config.ts), so a module that starts things cannot
// register a hook of its own: that would be called for the first file that imports it and no other.

const endings = new Set<() => Promise<unknown> | undefined>();

/** Calls `end` after the tests of each file from now on; it is to end whatever there is at that time. */
export function afterEachFile(end: () => Promise<unknown> | undefined): void {
  endings.add(end);
}

/** For setup.ts. */
export const endFile = async (): Promise<void> => {
  for (const end of endings) await end();
};

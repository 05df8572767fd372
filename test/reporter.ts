// The closing lines of a run: each skipped test with its reason, then the counts on one line that any script can read.
// A test that cannot run says why in its name or through `context.skip(reason)`; nothing is skipped in silence.

import type { Reporter, TestCase, TestModule } from "vitest/node";

class ClosingLines implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      // A file that fails to load has no tests of its own: count it, or its failure would not show here.
      if (module.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests()) {
        counts[test.result().state]++;
        if (test.result().state === "skipped") console.log(`skipped: ${test.fullName}${reason(test)}`);
      }
    }
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped + counts.pending} skipped`);
  }
}

function reason(test: TestCase): string {
  const result = test.result();
  return result.state === "skipped" && result.note ? ` (${result.note})` : "";
}

export default ClosingLines;

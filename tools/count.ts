/** How many tests did what. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
  /** Names of tests that did not run. */
  readonly skipped: readonly string[];
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/**
 * Counts a report of Vitest's JSON reporter. A file that failed outside its tests counts as one failed; so does a run
 * that failed without a failed test (an unhandled error), left no report (undefined) or ran no test at all.
 */
export function countReport(json: string | undefined, ok: boolean): Count {
  if (json === undefined) return { passed: 0, failed: 1, skipped: [] };
  const files = (JSON.parse(json) as Report).testResults;
  const tests = files.flatMap((file) => file.assertionResults);
  const passed = tests.filter((test) => test.status === 'passed').length;
  const skipped = tests.filter((test) => test.status !== 'passed' && test.status !== 'failed');
  const brokenFiles = files.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = tests.length - passed - skipped.length + brokenFiles.length;
  const unexplained = failed === 0 && (!ok || tests.length === 0) ? 1 : 0;
  return { passed, failed: failed + unexplained, skipped: skipped.map((test) => test.fullName) };
}

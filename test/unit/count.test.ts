import { describe, expect, it } from 'vitest';
import { countReport } from '../../tools/count.ts';

const file = (status: string, ...tests: string[]) => ({
  name: 'a.test.ts',
  status,
  assertionResults: tests.map((one) => ({ status: one, fullName: `is ${one}` })),
});
const report = (...files: ReturnType<typeof file>[]) => JSON.stringify({ testResults: files });

describe('countReport', () => {
  it('counts passed and failed', () => {
    const json = report(file('passed', 'passed', 'passed'), file('failed', 'failed', 'passed'));
    expect(countReport(json, false)).toEqual({ passed: 3, failed: 1, skipped: [] });
  });
  it('names what did not run', () => {
    const json = report(file('passed', 'passed', 'skipped', 'pending', 'todo'));
    expect(countReport(json, true)).toEqual({ passed: 1, failed: 0, skipped: ['is skipped', 'is pending', 'is todo'] });
  });
  it('counts a file that broke outside its tests', () => {
    expect(countReport(report(file('failed'), file('passed', 'passed')), false).failed).toBe(1);
    expect(countReport(report(file('failed', 'passed')), false).failed).toBe(1);
  });
  it('counts a failure that no test shows', () => {
    expect(countReport(report(file('passed', 'passed')), false).failed).toBe(1);
    expect(countReport(undefined, true).failed).toBe(1);
    expect(countReport(report(), true).failed).toBe(1);
  });
});

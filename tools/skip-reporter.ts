/**
 * Says at the end of a test run which groups were skipped and why (a group that can be skipped names its reason:
 * "exchanges tokens with python3-cryptography (needs python3-cryptography)"), and closes with one line of totals.
 * With `CI=true` a skipped group makes the run fail.
 */
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';

/** The outermost thing that was skipped as a whole, by its full name. */
function skippedGroup(test: TestCase): string {
  let name = test.fullName;
  let parent: TestSuite | TestModule = test.parent;
  while (parent.type === 'suite') {
    if (parent.options.mode === 'skip') name = parent.fullName;
    parent = parent.parent;
  }
  return `${parent.relativeModuleId} › ${name}`;
}

/** Whether every skip is for a filter of names (`-t`), which a person asked for. */
function isFiltered(): boolean {
  return process.argv.some((argument) => argument === '-t' || argument.startsWith('--testNamePattern'));
}

export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const totals = { passed: 0, failed: 0, skipped: 0 };
    const groups = new Map<string, { tests: number; reason: string }>();
    for (const module of modules) {
      if (module.errors().length > 0) totals.failed += 1;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state !== 'skipped') {
          totals[result.state === 'passed' ? 'passed' : 'failed'] += 1;
          continue;
        }
        totals.skipped += 1;
        const name = skippedGroup(test);
        const group = groups.get(name) ?? {
          tests: 0,
          reason: result.note ?? /\(needs ([^)]+)\)/.exec(name)?.[1] ?? '',
        };
        groups.set(name, { ...group, tests: group.tests + 1 });
      }
    }
    totals.failed += unhandledErrors.length;

    if (groups.size > 0 && !isFiltered()) {
      console.log('\nSkipped groups:');
      for (const [name, { tests, reason }] of groups) {
        const why = reason === '' ? 'no reason given' : `needs ${reason}`;
        console.log(`  ${name}: ${tests} ${tests === 1 ? 'test' : 'tests'} (${why})`);
      }
      if (process.env['CI'] === 'true') {
        console.log('With CI=true every group must run: this is a failure.');
        process.exitCode = 1;
      }
    }
    console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  }
}

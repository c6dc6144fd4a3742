// `npm test`: runs the suites one after the other and closes with one line of what their reports say.
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { faultFiles } from './failure-modes.ts';
import { provideBinaries } from './setup/kubernetes.mjs';
import { projectRoot } from './setup/paths.mjs';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** The part of vitest's JSON report that is counted. */
interface Report {
  testResults: { name: string; status: string; message: string; assertionResults: { status: string }[] }[];
}

const suites = ['unit', 'integration', 'e2e'];
/** Five minutes each of waiting for Kubernetes itself; `npm run test:faults` runs them with the other faults. */
const ONLY_WITH_FAULTS = ['tests/e2e/dead-node.test.ts', 'tests/e2e/second-node.test.ts'];
const reports = join(projectRoot, 'build', 'reports');

async function runSuite(name: string, filters: string[]): Promise<Counts> {
  console.log(`\n=== ${name}`);
  const reportPath = join(reports, `${name}.json`);
  await rm(reportPath, { force: true });
  const output = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
  const { exitCode } = await execa('vitest', ['run', '--project', name, ...output, ...filters], {
    cwd: projectRoot,
    preferLocal: true,
    reject: false,
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
  });
  const counts = await readCounts(reportPath);
  return { ...counts, failed: counts.failed + hiddenFailures(name, counts, exitCode) };
}

/** The e2e suite without what takes longest. */
async function usualFiles(): Promise<string[]> {
  const names = await readdir(join(projectRoot, 'tests', 'e2e'));
  const files = names.filter((name) => name.endsWith('.test.ts')).map((name) => `tests/e2e/${name}`);
  return files.filter((file) => !ONLY_WITH_FAULTS.includes(file));
}

async function readCounts(path: string): Promise<Counts> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return counts;
  const report: Report = JSON.parse(text);
  for (const file of report.testResults) {
    for (const { status } of file.assertionResults) {
      if (status === 'passed') counts.passed += 1;
      else if (status === 'failed') counts.failed += 1;
      else counts.skipped += 1;
    }
    // A file that breaks before its first test has no failed test to show.
    if (file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'))
      counts.failed += 1;
  }
  return counts;
}

/** Failures that no test stands for: a suite that ran nothing or skipped something, a run that ended badly. */
function hiddenFailures(name: string, { passed, failed, skipped }: Counts, exitCode: number | undefined): number {
  const reasons = [];
  if (passed + failed === 0) reasons.push('ran no test');
  if (skipped > 0) reasons.push(`skipped ${skipped}; every test here can run`);
  if (exitCode !== 0 && failed === 0) reasons.push(`ended with exit code ${exitCode}`);
  for (const reason of reasons) console.log(`✖ suite ${name} ${reason}`);
  return reasons.length;
}

/** Compiled beside the unit tests where it is not there yet; only the suites with an API server need it. */
async function waitForKubernetes(): Promise<void> {
  let next = 0;
  const report = (line: string) => {
    if (performance.now() < next) return;
    next = performance.now() + 30_000;
    console.log(line);
  };
  await provideBinaries({ report, signal: new AbortController().signal });
}

async function main(asked: string[]): Promise<void> {
  const chosen = asked.filter((argument) => [...suites, 'faults'].includes(argument));
  const filters = asked.filter((argument) => !chosen.includes(argument));
  await mkdir(reports, { recursive: true });
  const total = { passed: 0, failed: 0, skipped: 0 };
  const add = (counts: Counts) => {
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  };
  for (const name of chosen.length > 0 ? chosen : suites) {
    if (name !== 'unit') await waitForKubernetes();
    add(await runSuite(name, name === 'e2e' && filters.length === 0 ? await usualFiles() : filters));
    // Faults have their tests where they belong, and docs/failure-modes.md names them.
    if (name !== 'faults' || filters.length > 0) continue;
    for (const suite of ['integration', 'e2e']) add(await runSuite(suite, await faultFiles(suite)));
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

await main(process.argv.slice(2));

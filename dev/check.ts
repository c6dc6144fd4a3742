// `npm run check`: everything that can be said about the source without running it. All checks run; one line each.
import { execa } from 'execa';
import { provideBinaries } from './setup/kubernetes.mjs';
import { projectRoot } from './setup/paths.mjs';

interface Check {
  name: string;
  /** What repairs most of its findings, if a command does. */
  fix?: string;
  command: string[];
  needsHelm?: boolean;
}

const checks: Check[] = [
  { name: 'format and lint', fix: 'npx biome check --write', command: ['biome', 'check', '--error-on-warnings'] },
  { name: 'types', command: ['tsc', '--project', '.'] },
  { name: 'lock file', fix: 'npm run lock', command: ['node', 'dev/lock/main.ts', '--check'] },
  { name: 'import rules', command: ['depcruise', 'src', 'operator', 'crawler-image', 'dev', 'tests'] },
  {
    name: 'generated files',
    fix: 'npm run generate',
    command: ['node', 'dev/generate.ts', '--check'],
    needsHelm: true,
  },
  {
    name: 'chart',
    command: ['helm', 'lint', '--strict', 'helm/trawler', '--set=postgres.enabled=true'],
    needsHelm: true,
  },
];

/** Runs the check and prints its line, and on failure all that it said. Returns whether it passed. */
async function run({ name, command, fix, needsHelm }: Check): Promise<boolean> {
  const started = performance.now();
  const [program = '', ...args] = command;
  const bin = needsHelm ? await helmDirectory() : undefined;
  const result = await execa(program, args, {
    cwd: projectRoot,
    preferLocal: true,
    reject: false,
    all: true,
    stdin: 'ignore',
    ...(bin ? { env: { PATH: `${bin}:${process.env['PATH']}` } } : {}),
  });
  const passed = !result.failed;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${passed ? '✔' : '✖'} ${name} (${seconds} s)`);
  if (!passed) console.log(`${result.all}${fix ? `\n  mends most of it: ${fix}` : ''}\n`);
  return passed;
}

async function helmDirectory(): Promise<string> {
  await provideBinaries({ report: printRarely(), signal: new AbortController().signal });
  const { binDirectory } = await import('./setup/kubernetes-binaries.mjs');
  return binDirectory;
}

/** Progress of something that takes minutes, a line every 30 s. */
function printRarely(): (line: string) => void {
  let next = 0;
  return (line) => {
    if (performance.now() < next) return;
    next = performance.now() + 30_000;
    console.log(`  ${line}`);
  };
}

const passed = [];
for (const check of checks) passed.push(await run(check));
const failures = passed.filter((ok) => !ok).length;
console.log(failures === 0 ? 'All checks passed.' : `${failures} of ${checks.length} checks failed.`);
process.exitCode = failures === 0 ? 0 : 1;

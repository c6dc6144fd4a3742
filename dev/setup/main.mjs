// Sets this machine up for one purpose: `node dev/setup/main.mjs cluster tests`. Plain JavaScript without
// dependencies for Node 18 and newer, because it runs before anything is installed. Says nothing when all is there.
import { spawn } from 'node:child_process';
import { mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDebianPackages } from './debian.mjs';
import { provideBinaries } from './kubernetes.mjs';
import { binariesPresent } from './kubernetes-binaries.mjs';
import { ensureNodeModules } from './node-modules.mjs';
import { cacheDirectory } from './paths.mjs';

/**
 * On standard error: standard output belongs to the command that follows.
 * @param {string} line
 */
const say = (line) => console.error(`setup: ${line}`);

/**
 * What can be asked for, and the Debian packages that it takes. npm packages come with each.
 * @type {Record<string, import('./debian.mjs').Purpose[]>}
 */
const parts = {
  packages: [],
  /** A cluster on this machine, and images for it. Kubernetes is provided in the background; who needs it waits. */
  cluster: process.env['TRAWLER_KUBECONFIG'] ? ['images'] : ['images', 'cluster'],
  /** What the test suites run beside a cluster. */
  tests: ['tests'],
  /** What the benches compare with, and on. */
  benches: ['benches'],
  /** Kubernetes' programs, in the foreground. */
  kubernetes: [],
};

/** @param {string[]} asked */
async function setUp(asked) {
  if (asked.includes('cluster') && !binariesPresent()) provideInBackground();
  ensureNodeModules(say);
  ensureDebianPackages(
    asked.flatMap((name) => parts[name] ?? []),
    say,
  );
  if (asked.includes('kubernetes')) await provideInForeground();
}

async function provideInForeground() {
  if (binariesPresent()) return;
  const ended = new AbortController();
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(name, () => ended.abort());
  say(`Kubernetes: ${await provideBinaries({ report: say, signal: ended.signal })}`);
}

function provideInBackground() {
  mkdirSync(cacheDirectory, { recursive: true });
  const logPath = join(cacheDirectory, 'kubernetes.log');
  const log = openSync(logPath, 'a');
  say(`Kubernetes is being provided in the background (only the first time; log: ${logPath})`);
  const args = [fileURLToPath(import.meta.url), 'kubernetes'];
  spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log] }).unref();
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in parts));
if (asked.length === 0 || unknown.length > 0) {
  console.error(`usage: node dev/setup/main.mjs ${Object.keys(parts).join('|')} …`);
  process.exit(2);
}
try {
  await setUp(asked);
} catch (error) {
  console.error(`setup: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}

// Schemathesis for tests: it makes requests of an OpenAPI document, right and wrong ones, and holds the answers against it.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory } from '../../dev/setup/paths.mjs';

const REQUIREMENTS = join(import.meta.dirname, 'schemathesis.txt');

/** The first time, on two busy cores. */
export const INSTALL_TIMEOUT_MS = 300_000;

/** The program, of the pinned versions: installed into the cache once for each set of them. */
export async function installSchemathesis(): Promise<string> {
  const versions = createHash('sha256').update(await readFile(REQUIREMENTS));
  const directory = join(cacheDirectory, `schemathesis-${versions.digest('hex').slice(0, 12)}`);
  const whole = join(directory, 'whole');
  if (!existsSync(whole)) {
    await mkdir(cacheDirectory, { recursive: true });
    // An environment knows its directory, so it cannot be made elsewhere and moved.
    await execa('python3', ['-m', 'venv', '--clear', directory]);
    const install = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--requirement', REQUIREMENTS];
    await execa(join(directory, 'bin', 'python'), install);
    await writeFile(whole, '');
  }
  return join(directory, 'bin', 'schemathesis');
}

export type Probe = {
  readonly program: string;
  readonly document: object;
  readonly url: string;
  readonly token: string;
  /** Whether wrong requests are made as well. */
  readonly mode: 'positive' | 'all';
  readonly checks: readonly string[];
};

/** What it has found, as it tells it; empty when all is well. */
export async function findings({ program, document, url, token, mode, checks }: Probe): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'schemathesis-'));
  try {
    await writeFile(join(directory, 'openapi.json'), JSON.stringify(document));
    const { all, exitCode } = await execa(
      program,
      [
        ...['run', 'openapi.json', `--url=${url}`, `--header=Authorization: Bearer ${token}`],
        // What is on the edges of the schemas, the same requests each time.
        ...['--phases=coverage', `--mode=${mode}`, '--seed=1', `--checks=${checks.join(',')}`],
        ...['--continue-on-failure', '--no-shrink', '--request-timeout=20', '--warnings=off', '--workers=2'],
        '--suppress-health-check=all',
      ],
      { cwd: directory, all: true, reject: false },
    );
    return exitCode === 0 ? '' : all;
  } finally {
    await rm(directory, { recursive: true });
  }
}

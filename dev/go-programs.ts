// Programs that are compiled here from Go modules of others, into the cache: once for each version.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory, projectRoot } from './setup/paths.mjs';

export type GoPrograms = {
  /** Folder of dev with go.mod and go.sum. */
  readonly folder: string;
  /** Packages, each the program of its last part. */
  readonly packages: readonly string[];
  /** More arguments of `go build`. */
  readonly flags?: readonly string[];
};

/**
 * The directory that holds the programs. Who comes while another process compiles them waits for it.
 * @param onCompile called when they are not there yet
 */
export async function compileGo(
  { folder, packages, flags = [] }: GoPrograms,
  onCompile: () => void,
  signal: AbortSignal,
): Promise<string> {
  const source = join(projectRoot, 'dev', folder);
  const hash = createHash('sha256').update(flags.join(' '));
  for (const file of ['go.mod', 'go.sum']) hash.update(await readFile(join(source, file)));
  const directory = join(cacheDirectory, `${folder}-${hash.digest('hex').slice(0, 12)}`);
  if (existsSync(directory)) return directory;
  onCompile();
  await mkdir(cacheDirectory, { recursive: true });
  const unfinished = `${directory}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  // The lock goes with the process that holds it. Whoever waited for it finds every package compiled.
  const build = ['go', 'build', '-trimpath', '-ldflags=-s -w', ...flags, '-o', `${unfinished}/`, ...packages];
  await execa('flock', [`${directory}.lock`, ...build], {
    cwd: source,
    env: { GOGC: '200', ...process.env, CGO_ENABLED: '0' },
    cancelSignal: signal,
  });
  if (existsSync(directory)) await rm(unfinished, { recursive: true });
  else await rename(unfinished, directory);
  return directory;
}

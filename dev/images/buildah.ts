// Runs buildah with a storage of its own, so that no other container tool's images are touched.
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory } from '../setup/paths.mjs';

const storage = [
  ['--root', join(cacheDirectory, 'containers')],
  ['--runroot', '/run/trawler-images'],
].flat();

export interface BuildahOptions {
  cancelSignal: AbortSignal;
  /** Called with each line of output, as it comes. */
  onLine?: (line: string) => void;
}

/** Runs one buildah command; what it printed is in the result, or in the error when it failed. */
export async function buildah(args: string[], options: BuildahOptions): Promise<{ stdout: string }> {
  const command = execa('buildah', [...storage, ...args], {
    cancelSignal: options.cancelSignal,
    stdin: 'ignore',
    all: true,
  });
  if (options.onLine) for await (const line of command.iterable({ from: 'all' })) options.onLine(String(line));
  const { stdout } = await command;
  return { stdout };
}

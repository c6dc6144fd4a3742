// A wall clock of one process alone, which its test sets forward and back while the process runs, by libfaketime
// (https://github.com/wolfcw/libfaketime). Time that only goes forward goes on as it does.
import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageFiles } from './debian-package.ts';

export type FakeClock = {
  /** Of the process. */
  readonly env: Readonly<Record<string, string>>;
  /** Seconds from the machine's clock; the process sees it within a second. */
  set(seconds: number): Promise<void>;
};

/** @param directory for its file, which nobody else writes to */
export async function createFakeClock(directory: string): Promise<FakeClock> {
  const libraries = await packageFiles('libfaketime', 'usr/lib');
  const [machine = ''] = await readdir(libraries);
  const path = join(directory, 'clock');
  const set = async (seconds: number) => {
    await writeFile(`${path}.new`, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}`);
    await rename(`${path}.new`, path);
  };
  await set(0);
  return {
    set,
    env: {
      LD_PRELOAD: join(libraries, machine, 'faketime', 'libfaketime.so.1'),
      FAKETIME_TIMESTAMP_FILE: path,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
  };
}

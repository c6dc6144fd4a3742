// A mounted file whose content changes while the program runs, such as a certificate or a password of a Secret.
import { readFile } from 'node:fs/promises';
import { pause } from './pause.ts';

/** Kubernetes brings a changed Secret into a pod within a minute or so. */
const LOOK_EVERY_MS = 5_000;

export type FileWatch = {
  /** What the files hold when it begins. */
  readonly contents: readonly string[];
  readonly end: () => Promise<void>;
};

export type FileChanges = {
  /** Takes over what the files hold now. What it throws is told to `onRefused`, and it is called again at the next look. */
  readonly onChange: (contents: readonly string[]) => void;
  readonly onRefused: (error: unknown) => void;
};

/**
 * Waits until none of the files is missing or empty, and then calls `onChange` with the contents of all of them whenever one
 * has changed. Files that belong together may be read while they change, so that they do not fit: they will at a later look.
 * Rejects with the signal's reason.
 */
export async function watchFiles(
  paths: readonly string[],
  { onChange, onRefused }: FileChanges,
  signal: AbortSignal,
  everyMs = LOOK_EVERY_MS,
): Promise<FileWatch> {
  const ended = new AbortController();
  let contents = await readAll(paths);
  while (contents === undefined) {
    await pause(everyMs, signal);
    contents = await readAll(paths);
  }
  let last = contents;

  async function watch(): Promise<void> {
    for (;;) {
      await pause(everyMs, ended.signal);
      const now = await readAll(paths);
      if (now === undefined || now.every((content, index) => content === last[index])) continue;
      try {
        onChange(now);
        last = now;
      } catch (error) {
        onRefused(error);
      }
    }
  }

  // It ends by its signal alone.
  const watching = watch().catch(() => {});
  return {
    contents,
    async end() {
      ended.abort();
      await watching;
    },
  };
}

/** Undefined while a file is missing or empty, as a Secret may be that is still to be made. */
async function readAll(paths: readonly string[]): Promise<readonly string[] | undefined> {
  const contents = await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => '')));
  return contents.every((content) => content.trim() !== '') ? contents : undefined;
}

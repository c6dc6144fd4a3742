// A file that appears whole or not at all: written under another name beside it, forced to the disk, then renamed.
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';

/** Why the file could not be written. `lasting`: another try would fail in the same way. */
export class OutputFileError extends Error {
  override readonly name = 'OutputFileError';
  readonly lasting: boolean;

  constructor(message: string, lasting: boolean, options?: ErrorOptions) {
    super(message, options);
    this.lasting = lasting;
  }
}

export type OutputFilePlace = {
  /** Where the volume is mounted. */
  readonly volume: string;
  /** Folder within it. */
  readonly folder: string;
  readonly name: string;
  /** Tells this try from others at the same file. */
  readonly attempt: string;
};

/** Bytes after which they are forced to the disk: at the end that takes no longer for a large file than for a small one. */
const SYNC_EVERY = 64 * 2 ** 20;

/** Text is written as UTF-8. */
type Chunks = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

export type WrittenFile = { readonly bytes: number; readonly sha256: string };

/**
 * Writes the chunks, one after the other. When they throw, or the disk does, nothing is left behind and the file of an
 * earlier try is as it was. Rejects with an OutputFileError, or with what the chunks threw.
 */
export async function writeOutputFile(
  { volume, folder, name, attempt }: OutputFilePlace,
  chunks: Chunks,
): Promise<WrittenFile> {
  const directory = await explained(() => makeFolder(volume, folder));
  const unfinished = `.${name}.${attempt}.part`;
  const path = join(directory, unfinished);
  try {
    const written = await fill(path, chunks);
    await explained(async () => {
      await rename(path, join(directory, name));
      await sync(directory);
    });
    return written;
  } catch (error) {
    await rm(path, { force: true }).catch(() => undefined); // the reason why it failed is what counts
    throw error;
  }
}

async function fill(path: string, chunks: Chunks): Promise<WrittenFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  let synced = 0;
  const file = await explained(() => open(path, 'wx', 0o644));
  try {
    for await (const chunk of chunks) {
      const data = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk;
      hash.update(data);
      bytes += data.length;
      await explained(() => file.writeFile(data));
      if (bytes - synced < SYNC_EVERY) continue;
      await explained(() => file.datasync());
      synced = bytes;
    }
    await explained(() => file.sync());
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Somebody else may write to the volume, too: a link in it must not lead out of it. */
async function makeFolder(volume: string, folder: string): Promise<string> {
  const root = await realpath(volume);
  let directory = root;
  for (const part of folder.split('/').filter(Boolean)) {
    await mkdir(join(directory, part)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    directory = await realpath(join(directory, part));
    const within = relative(root, directory);
    if (within === '..' || within.startsWith(`..${sep}`)) {
      throw new OutputFileError(`"${folder}" leads out of the volume`, true);
    }
  }
  return directory;
}

/**
 * Removes what is left in the folder of workers that were killed in the middle, when nobody writes there any more.
 * @param name of a file, or the beginning of several ones'
 */
export async function removeUnfinished({ volume, folder, name }: Omit<OutputFilePlace, 'attempt'>): Promise<void> {
  await explained(async () => {
    const directory = await makeFolder(volume, folder);
    for (const entry of await readdir(directory)) {
      if (entry.startsWith(`.${name}`) && entry.endsWith('.part')) await rm(join(directory, entry), { force: true });
    }
  });
}

/** A rename lasts only when its folder is on the disk, too. */
async function sync(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot do that with a folder.
    if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}

const CAUSES: Readonly<Record<string, readonly [message: string, lasting: boolean]>> = {
  ENOSPC: ['the volume is full', false],
  EDQUOT: ['the quota of the volume is used up', false],
  EROFS: ['the volume is read-only', true],
  EACCES: ['the volume does not let this user write (see fsGroup of its storage class)', true],
  EPERM: ['the volume does not let this user write (see fsGroup of its storage class)', true],
  ENOTDIR: ['a file is where a folder is wanted', true],
  EISDIR: ['a folder is where the file is wanted', true],
  EFBIG: ['the file is too large for the volume', true],
};

async function explained<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof OutputFileError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const [cause, lasting] = CAUSES[codeOf(error) ?? ''] ?? ['the file could not be written', false];
    throw new OutputFileError(`${cause}: ${message}`, lasting, { cause: error });
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

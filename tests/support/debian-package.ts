// The files of a Debian package, which is not installed: real sites to crawl.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from '../../dev/setup/paths.mjs';

const run = promisify(execFile);

/**
 * A folder of the package's files, unpacked once and kept.
 * @param folder as it would be installed, from the root: `usr/share/doc/…`
 */
export async function packageFiles(name: string, folder: string): Promise<string> {
  const kept = join(cacheDirectory, name);
  const wanted = join(kept, folder);
  if (existsSync(wanted)) return wanted;
  await mkdir(cacheDirectory, { recursive: true });
  const work = await mkdtemp(`${kept}-`);
  try {
    await downloadPackage(name, work);
    const [file = ''] = await readdir(work);
    await run('dpkg-deb', ['--extract', file, 'unpacked'], { cwd: work });
    await rename(join(work, 'unpacked'), kept);
  } catch (error) {
    // Another test may have been quicker.
    if (!existsSync(wanted)) throw error;
  } finally {
    await rm(work, { recursive: true });
  }
  return wanted;
}

async function downloadPackage(name: string, folder: string): Promise<void> {
  const download = () => run('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', name], { cwd: folder });
  await download().catch(async () => {
    // The lists of packages may be old, or not there at all.
    await run('apt-get', ['update', '-q']);
    await download();
  });
}

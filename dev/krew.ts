// The plugin as Krew, the plugin manager of kubectl, installs it: an archive of its files, and the manifest that names it.
import { createHash } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { stringify } from 'yaml';
import { RELEASE } from '../src/store/release.ts';

const FILES = ['kubectl-trawler', 'main.js', 'main.js.LEGAL.txt', 'package.json'];
const HOME = 'https://trawler.dev';
const ARCHIVE = 'kubectl-trawler.tar.gz';

/** Writes both beside the plugin's files in this directory. The same files give the same bytes. */
export async function packForKrew(directory: string): Promise<void> {
  const archive = pack();
  for (const name of FILES) {
    const path = join(directory, name);
    const { mode } = await stat(path);
    archive.entry({ name, mode: mode & 0o777, mtime: new Date(0) }, await readFile(path));
  }
  archive.finalize();
  const compressed = await promisify(gzip)(await buffer(archive));
  const sha256 = createHash('sha256').update(compressed).digest('hex');
  await writeFile(join(directory, ARCHIVE), compressed);
  await writeFile(join(directory, 'trawler.yaml'), stringify(krewManifest(sha256), { lineWidth: 0 }));
}

/** One archive for all systems, since it is JavaScript. */
function krewManifest(sha256: string): object {
  const archive = { uri: `${HOME}/releases/v${RELEASE}/${ARCHIVE}`, sha256, bin: 'kubectl-trawler' };
  return {
    ...{ apiVersion: 'krew.googlecontainertools.github.com/v1alpha2', kind: 'Plugin' },
    metadata: { name: 'trawler' },
    spec: {
      version: `v${RELEASE}`,
      homepage: HOME,
      shortDescription: 'Crawl websites on a schedule',
      description: [
        'Runs, explains, watches, pauses, changes, stops and retries the crawls of Trawler,',
        'and shows what they found.\n',
      ].join('\n'),
      caveats: 'Needs Node.js 24 or newer on the PATH, and Trawler in the cluster.\n',
      platforms: [
        { selector: { matchExpressions: [{ key: 'os', operator: 'In', values: ['linux', 'darwin'] }] }, ...archive },
      ],
    },
  };
}

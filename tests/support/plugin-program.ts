// The kubectl plugin in one file, as it is installed: it starts in half the time that its source takes, and tests call it a thousand times.
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../dev/build.ts';
import { projectRoot } from '../../dev/setup/paths.mjs';

let program: Promise<string> | undefined;

/** Its path, for Node. Bundled once by each test process, and gone with it. */
export function pluginProgram(): Promise<string> {
  program ??= bundlePlugin();
  return program;
}

async function bundlePlugin(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'trawler-plugin-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await bundle(join(projectRoot, 'src', 'cli', 'kubectl-trawler.ts'), folder, { inOneFile: true });
  return join(folder, 'main.js');
}

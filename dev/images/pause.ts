// Compiles the program of the pause image into its build context.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { projectRoot } from '../setup/paths.mjs';
import { pauseImage } from './catalog.ts';

export async function compilePause(signal: AbortSignal): Promise<void> {
  await mkdir(pauseImage.context, { recursive: true });
  // Stripped and static: it is the only file of its image.
  const args = ['build', '-trimpath', '-ldflags=-s -w -buildid=', '-o', join(pauseImage.context, 'pause'), 'main.go'];
  const env = { CGO_ENABLED: '0', GO111MODULE: 'off' };
  await execa('go', args, { cwd: join(projectRoot, 'dev/images/pause'), env, cancelSignal: signal, stdin: 'ignore' });
}

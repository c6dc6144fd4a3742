// The rows of docs/failure-modes.md: each names a fault and the test that causes it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from './setup/paths.mjs';

export type FailureMode = { readonly fault: string; readonly file: string; readonly title: string };

export async function failureModes(): Promise<FailureMode[]> {
  const text = await readFile(join(projectRoot, 'docs', 'failure-modes.md'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| Fault |') && !line.startsWith('| --- |'))
    .map((line) => {
      const cells = line.slice(2, -2).split(' | ');
      const [fault = '', test = ''] = [cells[0], cells.at(-1)];
      const [file = '', ...title] = test.split(': ');
      return { fault, file, title: title.join(': ') };
    });
}

/** The files that hold the tests of a suite. */
export async function faultFiles(suite: string): Promise<string[]> {
  const files = (await failureModes()).map(({ file }) => file);
  return [...new Set(files)].filter((file) => file.startsWith(`tests/${suite}/`));
}

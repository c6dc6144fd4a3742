// docs/failure-modes.md promises a test for each fault: it has to be there, by its title.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { failureModes } from '../../../dev/failure-modes.ts';
import { projectRoot } from '../../../dev/setup/paths.mjs';

const rows = await failureModes();

test('there are forty of them at least, each once', () => {
  expect(rows.length).toBeGreaterThanOrEqual(40);
  expect(new Set(rows.map(({ fault }) => fault)).size).toBe(rows.length);
});

test.each(rows)('$fault: the test is there', async ({ file, title }) => {
  const source = await readFile(join(projectRoot, file), 'utf8');
  const titles = [...source.matchAll(/(["'`])((?:\\.|(?!\1).)*)\1/g)].map(([, , text = '']) =>
    text.replaceAll('\\', ''),
  );
  expect(titles).toContain(title);
});

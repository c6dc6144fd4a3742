import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundle } from '../../../dev/build.ts';

// Inside the project, so that its packages are found.
const inProject = join(import.meta.dirname, 'bundle-');
let folder: string;
let output: string;

beforeAll(async () => {
  folder = await mkdtemp(inProject);
  output = await mkdtemp(join(tmpdir(), 'trawler-bundle-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await rm(output, { recursive: true });
});

/** What a module comes to when it was bundled. */
async function bundled(source: string): Promise<{ text: string; exports: Record<string, unknown> }> {
  await writeFile(join(folder, 'main.ts'), source);
  await bundle(join(folder, 'main.ts'), output);
  const file = join(output, 'main.js');
  return { text: await readFile(file, 'utf8'), exports: await import(`${pathToFileURL(file).href}?${Date.now()}`) };
}

it('is ASCII, and means the same', async () => {
  const { text, exports } = await bundled(`
    // Größe €
    const größe: string = 'ä😀';
    export const values = [größe, \`\${größe}€\`];
    export const matches = [/^[ä-ü]+$/.test('öü'), /^[😀-😂€]+$/u.test('😁€'), /^[^–]$/.test('–')];
  `);
  expect(text).toMatch(/^[\0-\x7f]*$/);
  expect(exports).toMatchObject({ values: ['ä😀', 'ä😀€'], matches: [true, true, false] });
});

it('speaks English where zod finds a fault', async () => {
  const { text, exports } = await bundled(`
    import { z } from 'zod';
    export const message = z.string().safeParse(1).error?.issues[0]?.message;
  `);
  expect(exports['message']).toBe('Invalid input: expected string, received number');
  expect(text).not.toContain('Eingabe');
});

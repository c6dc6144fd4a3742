import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BundleOptions, bundle } from '../../../dev/build.ts';

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
async function bundled(
  source: string,
  options: BundleOptions = {},
): Promise<{ text: string; exports: Record<string, unknown> }> {
  await writeFile(join(folder, 'main.ts'), source);
  await bundle(join(folder, 'main.ts'), output, options);
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

it('leaves to a file of its own what is imported on demand, unless it is to be one file', async () => {
  await writeFile(join(folder, 'seldom.ts'), `export const text = 'seldom needed';`);
  const source = `export const text = async () => (await import('./seldom.ts')).text;`;
  const isSeldom = async () => (await readdir(output)).filter((name) => /^seldom.*\.js$/.test(name)).length;

  const alone = await bundled(source, { inOneFile: true });
  expect(alone.text).toContain('seldom needed');
  expect(await isSeldom()).toBe(0);

  const split = await bundled(source);
  expect(split.text).not.toContain('seldom needed');
  expect(await isSeldom()).toBe(1);
  for (const { exports } of [alone, split]) {
    expect(await (exports['text'] as () => Promise<string>)()).toBe('seldom needed');
  }
});

it('has of the Kubernetes client what is used, and none of its models', async () => {
  const { text, exports } = await bundled(`
    import { KubeConfig } from '@kubernetes/client-node';
    const config = new KubeConfig();
    config.loadFromClusterAndUser({ name: 'a', server: 'https://a.example' }, { name: 'b' });
    export const server = config.getCurrentCluster()?.server;
  `);
  expect(exports['server']).toBe('https://a.example');
  expect(text).not.toContain('V1PodSpec');
});

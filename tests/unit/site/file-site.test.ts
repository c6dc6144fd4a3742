// With a root the site serves a folder's files, and nothing outside of it.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite, type Site } from '../../../dev/site/server.ts';

let folder: string;
let site: Site;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-site-'));
  const root = join(folder, 'root');
  await mkdir(join(root, 'sub folder'), { recursive: true });
  await writeFile(join(folder, 'secret.txt'), 'secret');
  await writeFile(join(root, 'index.html'), '<title>Home</title>');
  await writeFile(join(root, 'sub folder', 'index.html'), '<title>Sub</title>');
  await writeFile(join(root, 'style.css'), 'p {}');
  await symlink(join(folder, 'secret.txt'), join(root, 'link.txt'));
  site = await createSite({ root });
});
afterAll(async () => {
  await site.close();
  await rm(folder, { recursive: true });
});

const get = (path: string) => fetch(site.url + path, { redirect: 'manual' });

test('a file comes with its type', async () => {
  const css = await get('/style.css');
  expect([css.status, css.headers.get('content-type'), await css.text()]).toEqual([
    200,
    'text/css; charset=utf-8',
    'p {}',
  ]);
});

test('a folder is its index.html, under a path that ends with a slash', async () => {
  expect(await (await get('/')).text()).toBe('<title>Home</title>');
  const sub = await get('/sub%20folder');
  expect([sub.status, sub.headers.get('location')]).toEqual([301, '/sub%20folder/']);
  expect(await (await get('/sub%20folder/')).text()).toBe('<title>Sub</title>');
});

test.each(['/missing.html', '/link.txt', '/..%2fsecret.txt', '/%2e%2e/secret.txt', '/a%00b'])(
  '%s is a 404',
  async (path) => {
    expect((await get(path)).status).toBe(404);
  },
);

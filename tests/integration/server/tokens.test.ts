// Named tokens for tools outside: what they may do, who may give them, and that they end.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOKENS_SECRET } from '#src/server/server.ts';
import { type Answer, type ServerFixture, startFixture } from './fixture.ts';

const ALL = ['crawlschedules', 'crawlruns', 'crawlbackfills', 'tokens', 'audits'];

let server: ServerFixture;
let owner: string;

beforeAll(async () => {
  server = await startFixture();
  for (const namespace of ['red', 'blue']) await server.kubectl(['create', 'namespace', namespace]);
  owner = await server.account('red', 'owner', [{ resources: ALL, verbs: ['*'] }]);
});
afterAll(() => server?.stop());

const create = (body: object, by = owner) => server.call('POST', '/api/v1/tokens', by, { body });
const list = (query: string, by = owner) => server.call('GET', `/api/v1/tokens?${query}`, by);
const revoke = (name: string, by = owner) => server.call('DELETE', `/api/v1/tokens/${name}`, by);
const runs = (namespace: string, token: string) => server.call('GET', `/api/v1/namespaces/${namespace}/runs`, token);

/** A token of that name for the namespace red. */
async function given(name: string, role: string): Promise<string> {
  const { status, body } = await create({ name, role, namespaces: ['red'] });
  expect(status, JSON.stringify(body)).toBe(201);
  return String(body['token']);
}
const namesOf = ({ body }: Answer) => (body['items'] as { name: string }[]).map(({ name }) => name);
const stored = async () =>
  JSON.parse(await server.kubectl(['get', 'secret', TOKENS_SECRET, '-o', 'json'])) as { data?: Record<string, string> };

test('a token is shown once and kept as a hash, and says who it is and what it may do', async () => {
  const made = await create({ name: 'shop-sync', role: 'viewer', namespaces: ['red'], expiresInDays: 7 });
  expect(made).toMatchObject({
    status: 201,
    body: { name: 'shop-sync', role: 'viewer', namespaces: ['red'], createdBy: 'system:serviceaccount:red:owner' },
  });
  const { token, expiresAt } = made.body as { token: string; expiresAt: string };
  expect((Date.parse(expiresAt) - Date.now()) / 86_400_000).toBeCloseTo(7, 2);
  const [, , secret = ''] = token.split('_');
  const kept = Buffer.from((await stored()).data?.['shop-sync'] ?? '', 'base64').toString('utf8');
  expect(JSON.parse(kept)).toMatchObject({ role: 'viewer', namespaces: ['red'] });
  for (const text of [secret, Buffer.from(secret).toString('base64')]) expect(kept).not.toContain(text);
  const listed = await list('namespace=red');
  expect(namesOf(listed)).toEqual(['shop-sync']);
  expect(JSON.stringify(listed.body)).not.toMatch(/hash|trawler_/);
  expect(await server.call('GET', '/api/v1/me?namespace=red', token)).toMatchObject({
    ...{ status: 200, body: { username: 'trawler.dev:token:shop-sync' } },
  });
});

/** What each role does at each route in its namespace; nothing of it in another, or in all. */
const CALLS = [
  ['GET', 'runs', ['viewer', 'operator', 'editor']],
  ['GET', 'schedules/none', ['viewer', 'operator', 'editor']],
  ['POST', 'schedules/none/run', ['operator', 'editor']],
  ['POST', 'runs/none/pause', ['operator', 'editor']],
  ['PATCH', 'runs/none', ['operator', 'editor']],
  ['POST', 'runs/none/dead-letters/clear', ['operator', 'editor']],
  ['PATCH', 'schedules/none', ['editor']],
  ['DELETE', 'schedules/none', ['editor']],
  ['DELETE', 'runs/none', ['editor']],
  ['GET', 'audit', []],
] as const;

test.each(['viewer', 'operator', 'editor'] as const)('a token of the role %s does that and no more', async (role) => {
  const token = await given(`all-of-${role}`, role);
  const done: string[] = [];
  for (const [method, path] of CALLS) {
    const options = method === 'GET' || method === 'DELETE' ? {} : { body: method === 'PATCH' ? { spec: {} } : {} };
    const { status } = await server.call(method, `/api/v1/namespaces/red/${path}`, token, options);
    if (status !== 403) done.push(`${method} ${path}`);
    const elsewhere = await server.call(method, `/api/v1/namespaces/blue/${path}`, token, options);
    expect(elsewhere.status, `${method} blue/${path}`).toBe(403);
  }
  const allowed = CALLS.filter(([, , roles]) => (roles as readonly string[]).includes(role));
  expect(done).toEqual(allowed.map(([method, path]) => `${method} ${path}`));
  expect((await server.call('GET', '/api/v1/next', token)).status).toBe(403);
  expect((await server.call('GET', '/api/v1/tokens?namespace=red', token)).status).toBe(403);
  expect((await create({ name: 'child', role: 'viewer', namespaces: ['red'] }, token)).status).toBe(403);
});

test('nobody gives what they do not have, nor where they do not have it', async () => {
  const rules = [
    { resources: ['crawlschedules', 'crawlruns', 'crawlbackfills'], verbs: ['get', 'list', 'watch'] },
    { resources: ['tokens'], verbs: ['create'] },
  ];
  const giver = await server.account('red', 'giver', rules);
  expect(await create({ name: 'more', role: 'operator', namespaces: ['red'] }, giver)).toMatchObject({
    ...{ status: 403, body: { detail: expect.stringContaining('may not run crawlschedules') } },
  });
  for (const namespaces of [['red', 'blue'], ['blue'], undefined]) {
    expect(await create({ name: 'wider', role: 'viewer', namespaces }, giver)).toMatchObject({ status: 403 });
  }
  expect(await create({ name: 'same', role: 'viewer', namespaces: ['red'] }, giver)).toMatchObject({ status: 201 });
  expect(await list('namespace=red', giver)).toMatchObject({ status: 403 });
  expect(await list('')).toMatchObject({ status: 403 });
  expect(await revoke('same', giver)).toMatchObject({ status: 403 });
  expect(await revoke('none')).toMatchObject({ status: 403 });
});

test('a token that is revoked, over or wrong is nobody', async () => {
  const token = await given('short', 'viewer');
  expect(await runs('red', token)).toMatchObject({ status: 200 });
  for (const wrong of [`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`, token.replace('short', 'none')]) {
    expect(await runs('red', wrong)).toMatchObject({ status: 401 });
  }
  const value = (await stored()).data?.['short'] ?? '';
  const record = JSON.parse(Buffer.from(value, 'base64').toString('utf8')) as object;
  const over = JSON.stringify({ ...record, expiresAt: new Date(Date.now() - 1_000).toISOString() });
  const patch = JSON.stringify({ stringData: { short: over } });
  await server.kubectl(['patch', 'secret', TOKENS_SECRET, '--type=merge', '-p', patch]);
  await expect.poll(async () => (await runs('red', token)).status, { timeout: 10_000 }).toBe(401);

  const other = await given('revoked', 'viewer');
  expect(await runs('red', other)).toMatchObject({ status: 200 });
  expect(await revoke('revoked')).toMatchObject({ status: 200, body: { revoked: 'revoked' } });
  await expect.poll(async () => (await runs('red', other)).status, { timeout: 10_000 }).toBe(401);
  expect(Object.keys((await stored()).data ?? {})).not.toContain('revoked');
});

test('tokens that are made at once are all there, and a name is given once', async () => {
  const names = ['a', 'b', 'c', 'd'];
  const made = await Promise.all(names.map((name) => create({ name, role: 'viewer', namespaces: ['red'] })));
  expect(made.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
  expect(namesOf(await list('namespace=red'))).toEqual(expect.arrayContaining(names));
  const twice = await Promise.all([1, 2].map(() => create({ name: 'twin', role: 'viewer', namespaces: ['red'] })));
  expect(twice.map(({ status }) => status).toSorted()).toEqual([201, 409]);
  for (const name of ['A', 'a_b', '-a', 'a'.repeat(41), '../x']) {
    expect(await create({ name, role: 'viewer', namespaces: ['red'] }), name).toMatchObject({ status: 400 });
  }
});

test('an Event tells of each, and never the token', async () => {
  const token = await given('told', 'viewer');
  await revoke('told');
  const notes = async () =>
    (
      JSON.parse(await server.kubectl(['get', 'events.events.k8s.io', '-o', 'json'])) as { items: { note: string }[] }
    ).items
      .map(({ note }) => note)
      .filter((note) => note.includes('told'));
  const by = 'by system:serviceaccount:red:owner through the API: told: viewer in red until';
  await expect.poll(notes, { timeout: 10_000 }).toEqual([expect.stringContaining(by), expect.stringContaining(by)]);
  expect((await notes()).join()).not.toContain(token.split('_')[2]);
});

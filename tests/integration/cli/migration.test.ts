// Every call of docs/migration.md is run as it is written, and its answer has the fields that the page shows.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { claimSome, never, urls } from '../store/fixture.ts';
import { type Shop, startShop } from './shop.ts';

let shop: Shop;

beforeAll(async () => {
  shop = await startShop();
  await shop.server.kubectl([
    'create',
    'clusterrolebinding',
    'reader',
    '--clusterrole=cluster-admin',
    '--serviceaccount=default:reader',
  ]);
  await leaveDeadLetters();
});
afterAll(() => shop?.stop());

/** Of the run that lives: two of each cause that the page names. */
async function leaveDeadLetters(): Promise<void> {
  const worker = shop.live.worker();
  await worker.seed(urls(4, { prefix: 'dead', hosts: 4 }), never);
  for (let left = 4; left > 0; ) {
    const claims = await claimSome(worker, left);
    await worker.commit(
      claims.map((claim, place) => ({
        ...{ type: 'dead' as const, claim, message: 'gone', facts: {} },
        cause: (left - place) % 2 === 0 ? ('HttpError' as const) : ('Timeout' as const),
      })),
      never,
    );
    left -= claims.length;
  }
}

type Call = { readonly command: string; readonly seen: unknown };

/** A block with a call, and the next one with its answer. */
async function documentedCalls(): Promise<Call[]> {
  const page = await readFile(join(projectRoot, 'docs', 'migration.md'), 'utf8');
  const blocks = [...page.matchAll(/```sh\n(curl [^`]+)\n```\n(?:\nSeen:\n)?\n```json\n([^`]+)\n```/g)];
  return blocks.map(([, command = '', seen = '']) => ({ command, seen: JSON.parse(seen) }));
}

/** Its fields and their types; lists by their first element. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (value === null || typeof value !== 'object') return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, shapeOf(part)]));
}

/** What later calls of the page name. */
function remember(known: Record<string, string>, answer: object): void {
  const { batchId, confirm, items } = answer as Record<string, unknown>;
  if (typeof batchId === 'string') known['BATCH'] = batchId;
  if (typeof confirm === 'string') known['CONFIRM'] = confirm;
  const [first] = Array.isArray(items) ? items : [];
  if (typeof first?.executionId === 'string') known['EXECUTION'] = first.executionId;
}

test('every call of the page gives the answer that stands below it', async () => {
  const calls = await documentedCalls();
  expect(calls.length).toBeGreaterThan(15);
  const known: Record<string, string> = { TRAWLER: shop.server.url, TOKEN: shop.token };
  for (const { command, seen } of calls) {
    // A schedule is run by hand once a second: the answer says to try again.
    const answer = await vi.waitFor(async () => {
      const { stdout } = await execa('bash', ['-c', command], { env: known });
      expect(stdout).not.toContain('in this very second already; try again');
      return JSON.parse(stdout) as object;
    }, 10_000);
    expect(shapeOf(answer), `${command}\n${JSON.stringify(answer)}`).toEqual(shapeOf(seen));
    remember(known, answer);
  }
});

test('the page leaves no call without its answer', async () => {
  const page = await readFile(join(projectRoot, 'docs', 'migration.md'), 'utf8');
  expect(await documentedCalls()).toHaveLength([...page.matchAll(/^curl /gm)].length);
});

import { expect, test } from 'vitest';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { findingOf } from '#src/server/schedules/proxy-verdict.ts';
import type { FirstPage } from '#src/store/first-page.ts';

const url = 'https://a.example/';
const finished = { type: 'Finished', status: 'True', reason: 'Done', message: '', lastTransitionTime: '' } as const;

function runOf(status: CrawlRun['status']): CrawlRun {
  const metadata = { name: 'a', namespace: 'default', uid: 'u', resourceVersion: '1' };
  const kind = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' };
  return { ...kind, metadata, spec: { sources: [] }, ...(status === undefined ? {} : { status }) };
}
const atWork = runOf({ phase: 'Running' });
const ended = runOf({ phase: 'Failed', message: 'there is no Secret "proxy"', conditions: [finished] });

test.each<[string, CrawlRun, FirstPage | undefined, object]>([
  ['before its page is known', atWork, undefined, { verdict: 'Waiting' }],
  ['while its page is asked for', atWork, { url, state: 'leased' }, { verdict: 'Waiting' }],
  ['that ended first', ended, undefined, { verdict: 'NotTried', message: 'there is no Secret "proxy"' }],
  ['that ended with its page in line', ended, { url, state: 'queued' }, { verdict: 'NotTried' }],
  [
    'whose page was read',
    atWork,
    { url, state: 'done', facts: { status: 200, durationMs: 7 }, data: { text: 'You come from 203.0.113.9 !' } },
    { verdict: 'Works', status: 200, durationMs: 7, exitAddress: '203.0.113.9' },
  ],
  [
    'whose page tells an address',
    ended,
    { url, state: 'done', facts: { status: 200 }, data: { text: 'You come from 203.0.113.9' } },
    { verdict: 'Works', status: 200, exitAddress: '203.0.113.9' },
  ],
  [
    'whose page tells an address of IPv6',
    ended,
    { url, state: 'done', data: { text: '2001:db8::7' } },
    { verdict: 'Works', exitAddress: '2001:db8::7' },
  ],
  [
    'whose page is no HTML',
    ended,
    { url, state: 'skipped', reason: 'NotHtml', facts: { status: 200 } },
    { verdict: 'Works', status: 200 },
  ],
  [
    'that the site refuses',
    ended,
    { url, state: 'dead', reason: 'HttpError', message: 'HTTP 403', facts: { status: 403 } },
    { verdict: 'Works', status: 403, cause: 'HttpError', message: 'HTTP 403' },
  ],
  [
    'whose proxy is down',
    ended,
    { url, state: 'dead', reason: 'ProxyError', message: 'cannot be reached', facts: { durationMs: 3 } },
    { verdict: 'Fails', durationMs: 3, cause: 'ProxyError', message: 'cannot be reached' },
  ],
  [
    'whose site is down',
    ended,
    { url, state: 'dead', reason: 'Timeout', message: 'x' },
    { verdict: 'Unclear', cause: 'Timeout', message: 'x' },
  ],
])('a run %s', (_, run, page, found) => {
  expect(findingOf(run, page)).toMatchObject(found);
});

test('a long page is searched for no address', () => {
  const text = `version 1.2.3.4 ${'of a program '.repeat(50)}`;
  expect(findingOf(ended, { url, state: 'done', data: { text } })).toEqual({ verdict: 'Works' });
});

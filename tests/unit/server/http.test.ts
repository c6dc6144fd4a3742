// What the API server decides without asking anybody: tokens, versions, cursors, selectors, problems.
import { z } from '@hono/zod-openapi';
import { describe, expect, test } from 'vitest';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { StoreError } from '#src/gateway/protocol/store-error.ts';
import { KubeError } from '#src/kube/kube-error.ts';
import { tokenOf } from '#src/server/auth/identity.ts';
import { decodeCursor, encodeCursor } from '#src/server/http/cursor.ts';
import { pathOf } from '#src/server/http/env.ts';
import { expectedVersion } from '#src/server/http/etag.ts';
import { fieldSelectorOf } from '#src/server/http/field-selector.ts';
import { ProblemError, problemOf } from '#src/server/http/problem.ts';
import { sumOf } from '#src/server/schedules/crawl-now-routes.ts';

test.each([
  [{}, undefined],
  [{ authorization: 'Bearer abc' }, 'abc'],
  [{ authorization: 'bearer  abc ' }, 'abc'],
  [{ authorization: 'Basic abc' }, undefined],
  [{ authorization: 'Bearer a b' }, undefined],
  [{ authorization: 'Basic abc', 'trawler-token': 'own' }, 'own'],
  [{ authorization: 'Bearer abc', 'trawler-token': 'own' }, 'abc'],
  [{ 'trawler-token': ' ' }, undefined],
] as const)('the token of %j is %s', (headers: Readonly<Record<string, string>>, token) => {
  expect(tokenOf((name) => headers[name])).toBe(token);
});

test.each([
  [undefined, undefined],
  ['*', undefined],
  ['"4711"', '4711'],
  ['W/"4711"', '4711'],
])('If-Match %s asks for version %s', (header, version) => {
  expect(expectedVersion(header)).toBe(version);
});

test.each(['4711', '"4711", "4712"', '""', '"a b"'])('If-Match %s is refused', (header) => {
  expect(() => expectedVersion(header)).toThrow('If-Match');
});

describe('a cursor', () => {
  const schema = z.object({ after: z.string() });
  test('comes back as it was', () => {
    expect(decodeCursor(schema, encodeCursor({ after: 'é/1' }))).toEqual({ after: 'é/1' });
    expect(decodeCursor(schema, undefined)).toBeUndefined();
  });
  test.each(['', 'nonsense', encodeCursor({ after: 1 }), encodeCursor(null)])(
    '%j of elsewhere is refused',
    (cursor) => {
      expect(() => decodeCursor(schema, cursor)).toThrow(ProblemError);
    },
  );
});

test.each([
  [[], ''],
  [['spec', 'sources', 0, 'urls'], 'spec.sources[0].urls'],
  [[0, 'name'], '[0].name'],
] as const)('the path %j reads %s', (path, text) => {
  expect(pathOf(path)).toBe(text);
});

test.each([
  [{}, undefined],
  [{ phase: 'Failed' }, 'status.phase=Failed'],
  [{ schedule: 'shop', trigger: 'Manual' }, 'spec.scheduleName=shop,spec.trigger.type=Manual'],
  [{ schedule: 'a,b=c' }, String.raw`spec.scheduleName=a\,b\=c`],
])('runs of %j are found by %s', (filters, selector) => {
  expect(fieldSelectorOf(filters)).toBe(selector);
});

const kube = (status: number, reason: string, message = reason) => new KubeError({ status, reason, message });

test.each([
  [
    kube(403, 'Forbidden', 'crawlruns is forbidden: User "x" cannot create resource "crawlruns"'),
    500,
    'ServerLacksRight',
  ],
  [kube(403, 'Forbidden', 'exceeded quota: runs'), 403, 'Forbidden'],
  [kube(401, 'Unauthorized'), 500, 'ServerLacksRight'],
  [kube(404, 'NotFound'), 404, 'NotFound'],
  [kube(409, 'AlreadyExists'), 409, 'Conflict'],
  [kube(409, 'Conflict'), 409, 'Conflict'],
  [kube(410, 'Expired'), 400, 'BadRequest'],
  [kube(422, 'Invalid'), 422, 'Invalid'],
  [kube(429, 'TooManyRequests'), 503, 'Unavailable'],
  [kube(500, 'InternalError'), 503, 'Unavailable'],
  [kube(0, 'Unreachable'), 503, 'Unavailable'],
  [new StoreError('Unavailable', 'away'), 503, 'Unavailable'],
  [new StoreError('Refused', 'secret SQL'), 500, 'Internal'],
  [new DOMException('late', 'TimeoutError'), 503, 'Unavailable'],
  [new Error('secret'), 500, 'Internal'],
  ['thrown text', 500, 'Internal'],
])('%s is answered with %i %s', (error, status, reason) => {
  const problem = problemOf(error, false);
  expect(problem).toMatchObject({ status, reason });
  expect(problem.body().detail).not.toContain('secret');
});

test('a conflict is a failed precondition only where the request named a version', () => {
  expect(problemOf(kube(409, 'Conflict'), true)).toMatchObject({ status: 412, reason: 'PreconditionFailed' });
  expect(problemOf(kube(409, 'AlreadyExists'), true)).toMatchObject({ status: 409 });
});

test('the progress of a batch is the sum over its runs, and 0 while nothing is known', () => {
  const run = (progress?: object, isFinished = false) =>
    ({
      metadata: { name: 'a' },
      spec: { scheduleName: 'shop', sources: [] },
      status: {
        phase: 'Running',
        ...(progress === undefined ? {} : { progress }),
        conditions: isFinished ? [{ type: 'Finished', status: 'True' }] : [],
      },
    }) as unknown as CrawlRun;
  expect(sumOf('id', [run()])).toMatchObject({ percentage: 0, total: 0, finished: 0 });
  const runs = [
    run({ total: 3, succeeded: 1, failed: 1, items: 5 }, true),
    run({ total: 3, succeeded: 0, failed: 0, items: 0 }),
  ];
  expect(sumOf('id', runs)).toMatchObject({
    total: 6,
    crawled: 2,
    failed: 1,
    items: 5,
    finished: 1,
    percentage: 33.33,
  });
});

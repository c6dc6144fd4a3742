// Resources as text: the JSON of what the API shows, with the spec of a neighbour where it is the same.
import { expect, test } from 'vitest';
import { CRAWL_RUNS, type CrawlRun } from '#src/custom-resources/types.ts';
import { resourceText, textOf } from '#src/server/http/resource-text.ts';
import { shown } from '#src/server/http/resources.ts';

const run = (name: string, spec: object, status?: object) =>
  ({
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' },
    metadata: {
      name,
      namespace: 'red',
      uid: `uid-${name}`,
      resourceVersion: '7',
      labels: { a: 'b' },
      managedFields: [1],
    },
    ...{ spec, ...(status === undefined ? {} : { status }) },
  }) as unknown as CrawlRun;
const sources = [{ name: 'site', urls: ['https://müller.example/"quoted"'] }];

test.each([
  ['all of it', { scheduleName: 'shop', trigger: { type: 'Manual' }, sources, workers: 2 }, { phase: 'Running' }],
  ['no schedule and no status', { sources }, undefined],
  ['nothing but a schedule', { scheduleName: 'shop' }, { phase: 'Running' }],
  ['nothing', {}, undefined],
])('the text is the JSON of what is shown: %s', (_what, spec, status) => {
  const object = run('one', spec, status);
  expect(JSON.parse(textOf(resourceText(object, CRAWL_RUNS, [])))).toEqual(JSON.parse(JSON.stringify(shown(object))));
});

test('what the specs of runs of a schedule have in common is the same text, whatever their triggers', () => {
  const first = resourceText(run('one', { scheduleName: 'shop', sources }), CRAWL_RUNS, []);
  const trigger = { type: 'Schedule', scheduledTime: '2026-01-01T00:00:00Z' };
  const next = resourceText(run('two', { scheduleName: 'shop', trigger, sources }), CRAWL_RUNS, [
    undefined,
    first.spec,
  ]);
  expect(next.spec).toEqual(first.spec);
  expect(JSON.parse(textOf(next)).spec).toEqual({ scheduleName: 'shop', trigger, sources });
  const other = resourceText(run('three', { sources, workers: 3 }), CRAWL_RUNS, [first.spec]);
  expect(JSON.parse(textOf(other)).spec).toEqual({ sources, workers: 3 });
});

test('what a filter looks at is kept beside the text', () => {
  const { metadata } = resourceText(run('one', { sources }), CRAWL_RUNS, []);
  expect(metadata).toEqual({ name: 'one', namespace: 'red', uid: 'uid-one', resourceVersion: '7', labels: { a: 'b' } });
});

// Requests and limits of a worker: what the spec gives, merged with the defaults by the resource's name.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quantityValue } from '#src/controllers/run/quantity.ts';
import { workerResources } from '#src/controllers/run/worker-resources.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';

type Resources = NonNullable<NonNullable<CrawlRunSpecInput['pod']>['resources']>;

function resourcesOf(resources: Resources, render: 'HTTP' | 'Browser' = 'HTTP') {
  const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];
  return workerResources(crawlRunSpec.parse({ sources, fetch: { render }, pod: { resources } }));
}

test.each<[string, Resources, object]>([
  ['nothing', {}, { requests: { cpu: '250m', memory: '256Mi' }, limits: { memory: '512Mi' } }],
  [
    'a limit of CPU below the default request',
    { limits: { cpu: '200m' } },
    { requests: { cpu: '200m', memory: '256Mi' }, limits: { cpu: '200m', memory: '512Mi' } },
  ],
  [
    'a limit of CPU above it, and keeps the default limit of memory',
    { limits: { cpu: 1 } },
    { requests: { cpu: '250m', memory: '256Mi' }, limits: { cpu: '1', memory: '512Mi' } },
  ],
  [
    'a request of memory above the default limit',
    { requests: { memory: '1Gi' } },
    { requests: { cpu: '250m', memory: '1Gi' }, limits: { memory: '1Gi' } },
  ],
  [
    'a limit of memory below the default request',
    { limits: { memory: '128Mi' } },
    { requests: { cpu: '250m', memory: '128Mi' }, limits: { memory: '128Mi' } },
  ],
  [
    'another resource',
    { limits: { 'example.com/gpu': 1 } },
    { requests: { cpu: '250m', memory: '256Mi' }, limits: { memory: '512Mi', 'example.com/gpu': '1' } },
  ],
])('a spec that gives %s', (_what, given, merged) => {
  expect(resourcesOf(given)).toEqual(merged);
});

const quantity = fc.oneof(
  fc.integer({ min: 0, max: 64 }),
  fc
    .tuple(fc.integer({ min: 0, max: 9_999 }), fc.constantFrom('', 'm', 'k', 'M', 'Mi', 'Gi'))
    .map(([n, unit]) => `${n}${unit}`),
);
const resource = fc.dictionary(fc.constantFrom('cpu', 'memory'), quantity);

test('no request is higher than its limit, unless the spec itself says so', () => {
  fc.assert(
    fc.property(resource, resource, fc.constantFrom('HTTP', 'Browser'), (requests, limits, render) => {
      const contradicts = Object.keys(requests).some(
        (name) => limits[name] !== undefined && quantityValue(requests[name] ?? 0) > quantityValue(limits[name] ?? 0),
      );
      fc.pre(!contradicts);
      const merged = resourcesOf({ requests, limits }, render as 'HTTP' | 'Browser');
      for (const [name, limit] of Object.entries(merged.limits)) {
        expect(quantityValue(merged.requests[name] ?? 0)).toBeLessThanOrEqual(quantityValue(limit));
      }
      expect(merged.limits['memory']).toBeDefined();
    }),
  );
});

describe('a quantity', () => {
  test.each([
    ['250m', 0.25],
    ['1.5', 1.5],
    ['.5', 0.5],
    ['512Mi', 536_870_912],
    ['1e3', 1_000],
    ['2E', 2e18],
    ['+1k', 1_000],
    [3, 3],
  ])('%s is %d', (text, value) => {
    expect(quantityValue(text)).toBe(value);
  });

  test.each(['1 core', '-1', '', '1Kb', 'Mi'])('%j is none', (text) => {
    expect(() => quantityValue(text)).toThrow(RangeError);
  });
});

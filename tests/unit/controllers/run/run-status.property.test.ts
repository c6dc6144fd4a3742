// Whatever PostgreSQL, pods and sites come up with: the status is one that the CRD's own schema takes.
import { Ajv, type ValidateFunction } from 'ajv';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { type RunObservation, runStatus } from '#src/controllers/run/run-status.ts';
import { STATUS_SIZES, shorterStatus } from '#src/controllers/run/shorter-status.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { customResourceDefinitions } from '#src/resources/custom-resource-definition.ts';
import type { RunSnapshot } from '#src/store/operator-store.ts';

const NOW = new Date('2026-01-01T12:00:30Z');

const run: CrawlRun = {
  apiVersion: 'trawler.dev/v1alpha1',
  kind: 'CrawlRun',
  metadata: { name: 'shop-1', namespace: 'default', uid: 'run-uid', resourceVersion: '1', generation: 1 },
  spec: { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] },
};

type Definition = { spec: { versions: { schema: { openAPIV3Schema: { properties: { status: object } } } }[] } };
let isValid: ValidateFunction;

beforeAll(() => {
  const definition = customResourceDefinitions().get('crawlruns') as unknown as Definition;
  const schema = definition.spec.versions[0]?.schema.openAPIV3Schema.properties.status ?? {};
  // The API server's own keywords and formats of numbers; lists that are maps are checked below.
  const ajv = new Ajv({ strict: false, formats: { int64: true, 'date-time': true } });
  isValid = ajv.compile(schema);
});

/** Texts far beyond every limit, too: a page's evidence, a database's message, a pod's name. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc
    .tuple(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), fc.constantFrom(1, 400, 5_000))
    .map(([part, n]) => part.repeat(n)),
);
const count = fc.oneof(fc.nat(), fc.integer(), fc.constant(Number.MAX_SAFE_INTEGER));
const progress = fc.record({
  ...{ total: count, queued: count, leased: count, succeeded: count, failed: count, skipped: count, items: count },
});
const time = fc.date({ min: new Date(0), max: NOW, noInvalidDate: true });
const many = <T>(one: fc.Arbitrary<T>) =>
  fc.oneof(
    fc.array(one, { maxLength: 3 }),
    one.map((it) => Array.from({ length: 150 }, () => it)),
  );
const worker = fc.record({
  ...{ workerId: text, podName: text, nodeName: text, firstHeartbeatAt: time, lastHeartbeatAt: time },
  state: fc.constantFrom('Initialising' as const, 'Crawling' as const),
  ...{ pagesInFlight: count, concurrency: count, currentUrl: text, idleMs: count, rssBytes: count, errors: count },
  released: fc.boolean(),
});
const snapshot: fc.Arbitrary<RunSnapshot> = fc.record(
  {
    ...{ runId: text, namespace: text, name: text, acceptedAt: time, startedAt: time, finishedAt: time },
    state: fc.constantFrom('Accepted' as const, 'Running' as const, 'Finished' as const),
    outcome: fc.constantFrom(
      'Succeeded' as const,
      'Partial' as const,
      'Failed' as const,
      'Stopped' as const,
      'TimedOut' as const,
    ),
    ...{
      pausedAt: time,
      // A run was made after 1970.
      pausedMs: fc.nat({ max: NOW.getTime() }),
      terminates: fc.boolean(),
      isUnderReview: fc.boolean(),
      stopReason: text,
      message: text,
      seeded: fc.boolean(),
      progress,
    },
    sources: many(fc.record({ name: text, active: fc.boolean(), progress, message: text })),
    workers: many(worker),
    blockedHosts: many(
      fc.record({ host: text, refusals: count, evidence: text, slowdown: count, viaProxy: fc.boolean() }),
    ),
    sharedHosts: many(fc.record({ host: text, runs: count })),
    spiderTraps: many(fc.record({ kind: fc.constant('Calendar' as const), pattern: text, url: text })),
    errors: count,
    skipReasons: fc.dictionary(text, fc.nat()),
    failureCauses: fc.dictionary(text, fc.nat()),
    itemsLeftOut: fc.dictionary(text, fc.nat()),
    fieldCounts: fc.dictionary(text, fc.nat()),
    partialPages: fc.dictionary(text, fc.nat()),
    output: fc.record(
      { due: fc.boolean(), settled: fc.boolean(), path: text, sha256: text, bytes: count, items: count, error: text },
      { requiredKeys: ['due', 'settled'] },
    ),
  },
  {
    requiredKeys: [
      'runId',
      'namespace',
      'name',
      'state',
      'acceptedAt',
      'seeded',
      'pausedMs',
      'terminates',
      'isUnderReview',
      'progress',
      'sources',
      'workers',
      'blockedHosts',
      'spiderTraps',
      'errors',
      'skipReasons',
      'failureCauses',
      'itemsLeftOut',
      'partialPages',
    ],
  },
) as fc.Arbitrary<RunSnapshot>;
const observation: fc.Arbitrary<RunObservation> = fc.record(
  {
    snapshot,
    pods: fc.constant([]),
    obstacle: fc.record({
      condition: fc.constantFrom('Accepted' as const, 'JobCreated' as const, 'Progressing' as const),
      patience: fc.constant('StartDeadline' as const),
      reason: fc.constant('ImagePullFailed' as const),
      message: text,
    }),
    end: fc.record({
      outcome: fc.constant('Failed' as const),
      reason: fc.constant('JobRefused' as const),
      message: text,
      at: time,
    }),
    startDeadline: time,
    aloneSince: time,
  },
  { requiredKeys: ['pods'] },
);

test('every status is valid, at each of its sizes, and after one that was written before', () => {
  fc.assert(
    fc.property(observation, observation, (first, second) => {
      let known: CrawlRun = run;
      for (const seen of [first, second]) {
        const status = runStatus(known, seen, NOW);
        for (const size of STATUS_SIZES) {
          const written = JSON.parse(JSON.stringify(shorterStatus(status, size)));
          expect(isValid(written), JSON.stringify(isValid.errors)).toBe(true);
        }
        for (const [list, key] of [
          ['sources', 'name'],
          ['workers', 'pod'],
          ['blockedHosts', 'host'],
          ['spiderTraps', 'pattern'],
        ] as const) {
          const keys = (status[list] ?? []).map((entry) => (entry as Record<string, unknown>)[key]);
          expect(new Set(keys).size).toBe(keys.length);
        }
        known = { ...run, status };
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);

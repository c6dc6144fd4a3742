// CrawlSchedules, CrawlRuns and CrawlBackfills as the API shows and takes them: Kubernetes' own shape, checked in full by the API server.
import { z } from '@hono/zod-openapi';
import type { NamespacedObject } from '../../kube/kube-object.ts';
import { mutableRunSpec, resourceSchema } from './resource-schemas.ts';

const texts = z.record(z.string(), z.string());

const metadata = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  generation: z.int().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  labels: texts.optional(),
  annotations: texts.optional(),
});

/** Whatever is in it: the schema of the resource stands beside, and the API server holds it. */
const anything = z.record(z.string(), z.unknown());

function shownResource(kind: string, plural: Parameters<typeof resourceSchema>[0]) {
  return z
    .object({
      apiVersion: z.string(),
      kind: z.string(),
      metadata,
      spec: anything.openapi(`${kind}Spec`, resourceSchema(plural, 'spec')),
      status: anything.openapi(`${kind}Status`, resourceSchema(plural, 'status')).optional(),
    })
    .openapi(kind);
}

export const scheduleSchema = shownResource('CrawlSchedule', 'crawlschedules');
export const runSchema = shownResource('CrawlRun', 'crawlruns');
export const backfillSchema = shownResource('CrawlBackfill', 'crawlbackfills');

const given = {
  labels: texts.optional(),
  annotations: texts.optional(),
};

const patched = {
  labels: z.record(z.string(), z.string().nullable()).optional(),
  annotations: z.record(z.string(), z.string().nullable()).optional(),
};

export const scheduleSpecInput = anything.openapi('CrawlScheduleSpec', resourceSchema('crawlschedules', 'spec'));

export const newSchedule = z.strictObject({
  metadata: z.strictObject({ name: z.string().min(1).max(52), ...given }),
  spec: scheduleSpecInput,
});
export const replacedSchedule = z.strictObject({
  metadata: z.strictObject(given).default({}),
  spec: scheduleSpecInput,
});
export const schedulePatch = z
  .strictObject({ metadata: z.strictObject(patched).optional(), spec: anything.optional() })
  .describe('A JSON merge patch (RFC 7396).');
export const runPatch = z
  .strictObject({ spec: anything.openapi('CrawlRunChanges', mutableRunSpec()) })
  .describe('A JSON merge patch (RFC 7396) of what may change while a run lives.');

/** Without what only the API server needs. */
export function shown(object: NamespacedObject & { readonly spec: object }) {
  const { apiVersion, kind, spec, status } = object;
  const { name, namespace, uid, resourceVersion, generation, creationTimestamp, deletionTimestamp } = object.metadata;
  const { labels, annotations } = object.metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      ...{ name, namespace, uid, resourceVersion },
      ...(generation === undefined ? {} : { generation }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: { ...spec },
    ...(status === undefined || status === null ? {} : { status: { ...status } }),
  };
}

// zod schema -> CustomResourceDefinition: one normaliser to a structural schema, which fails on what that cannot hold.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { crawlBackfillSpec, crawlBackfillStatus } from './crawl-backfill.ts';
import { crawlRunSpec, crawlRunStatus, crawlSpecShape } from './crawl-run.ts';
import { crawlScheduleSpec, crawlScheduleStatus } from './crawl-schedule.ts';
import { GROUP, VERSION } from './group.ts';
import type { ValidationRule } from './validation.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

/** Keywords that a structural schema takes as they are. */
const KEPT = new Set([
  'type',
  'format',
  'description',
  'default',
  'enum',
  'pattern',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'maxProperties',
  'minimum',
  'maximum',
  'required',
  'x-kubernetes-validations',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-int-or-string',
]);

/** JavaScript-only regular expression syntax that RE2, the API server's engine, refuses. */
const NOT_RE2 = /\(\?[=!<]|\\[1-9]/;

/**
 * A structural schema (KEP-1979 "structural schemas") of a JSON schema that zod made.
 * Throws an Error that names the place of anything which it cannot express.
 */
export function structuralSchema(schema: JsonObject, path = '$'): JsonObject {
  if (schema['x-kubernetes-int-or-string'] === true) {
    const { anyOf: _, ...rest } = schema;
    return copyKeywords(rest, path);
  }
  return copyKeywords(schema, path);
}

function copyKeywords(schema: JsonObject, path: string): JsonObject {
  const result: Record<string, Json> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'properties') {
      result[keyword] = Object.fromEntries(
        Object.entries(asObject(value, path)).map(([name, child]) => [
          name,
          structuralSchema(asObject(child, `${path}.${name}`), `${path}.${name}`),
        ]),
      );
    } else if (keyword === 'items') {
      result[keyword] = structuralSchema(asObject(value, path), `${path}[]`);
    } else if (keyword === 'additionalProperties') {
      // zod closes objects in output mode; the API server prunes and reports unknown fields by itself.
      if (typeof value === 'boolean') throw new Error(`${path}: additionalProperties must be a schema`);
      result[keyword] = structuralSchema(asObject(value, path), `${path}{}`);
    } else if (keyword === 'pattern') {
      // The format alone lets in more than a Date can read; the operator writes the times of a status itself.
      if (schema['format'] === 'date-time' && path.startsWith('status')) continue;
      if (typeof value !== 'string' || NOT_RE2.test(value)) throw new Error(`${path}: pattern is not RE2: ${value}`);
      result[keyword] = value;
    } else if (keyword === 'minimum' || keyword === 'maximum') {
      if (Math.abs(Number(value)) !== Number.MAX_SAFE_INTEGER) result[keyword] = value;
    } else if (KEPT.has(keyword)) {
      result[keyword] = value;
    } else if (keyword !== '$schema' && keyword !== 'propertyNames') {
      throw new Error(`${path}: a structural schema cannot hold "${keyword}"`);
    }
  }
  if (result['type'] === 'integer') result['format'] = 'int64';
  return result;
}

function asObject(value: Json | undefined, path: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${path}: not an object`);
  return value as JsonObject;
}

type PrinterColumn = {
  name: string;
  type: 'string' | 'integer' | 'boolean' | 'date';
  jsonPath: string;
  priority?: number;
  description?: string;
};

type Kind = {
  kind: string;
  plural: string;
  singular: string;
  shortName: string;
  description: string;
  spec: z.ZodType;
  status: z.ZodType;
  rules: readonly ValidationRule[];
  columns: readonly PrinterColumn[];
  selectableFields: readonly string[];
};

const condition = (type: string, field: 'status' | 'reason') => `.status.conditions[?(@.type=="${type}")].${field}`;

const age: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

const KINDS: readonly Kind[] = [
  {
    kind: 'CrawlSchedule',
    plural: 'crawlschedules',
    singular: 'crawlschedule',
    shortName: 'csched',
    description: 'A CrawlSchedule crawls websites at set times: at each due time it makes a CrawlRun.',
    spec: crawlScheduleSpec,
    status: crawlScheduleStatus,
    rules: [
      {
        rule: "size(self.metadata.name) <= 52 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        message:
          'metadata.name must be at most 52 characters of a-z, 0-9 and -, since the names of runs and Jobs are made of it',
        reason: 'FieldValueInvalid',
        fieldPath: '.metadata.name',
      },
    ],
    columns: [
      {
        name: 'Schedule',
        type: 'string',
        jsonPath: '.status.timing.schedule',
        description: 'The expression, the interval, or the schedule that this one comes after.',
      },
      { name: 'TZ', type: 'string', jsonPath: '.spec.timeZone' },
      { name: 'Suspend', type: 'boolean', jsonPath: '.spec.suspend' },
      {
        name: 'Ready',
        type: 'string',
        jsonPath: condition('Ready', 'status'),
        description: 'Whether runs are made.',
      },
      { name: 'Active', type: 'integer', jsonPath: '.status.activeCount', description: 'Runs that have not finished.' },
      { name: 'Last-Run', type: 'string', jsonPath: '.status.lastRun.name' },
      { name: 'Last-Result', type: 'string', jsonPath: '.status.lastRun.phase' },
      { name: 'Last-Success', type: 'date', jsonPath: '.status.lastSuccessfulTime' },
      { name: 'Next-Run', type: 'string', jsonPath: '.status.nextScheduleTime' },
      age,
      { name: 'Interval', type: 'string', jsonPath: '.status.currentInterval', priority: 1 },
      { name: 'Reason', type: 'string', jsonPath: condition('Ready', 'reason'), priority: 1 },
    ],
    selectableFields: ['.spec.suspend'],
  },
  {
    kind: 'CrawlRun',
    plural: 'crawlruns',
    singular: 'crawlrun',
    shortName: 'crun',
    description: 'A CrawlRun is one execution of a crawl by a short-lived Job of crawler pods.',
    spec: crawlRunSpec,
    status: crawlRunStatus,
    rules: [],
    columns: [
      { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
      { name: 'Progress', type: 'string', jsonPath: '.status.progress.percentage' },
      { name: 'Done', type: 'integer', jsonPath: '.status.progress.done', description: 'Pages succeeded and failed.' },
      { name: 'Failed', type: 'integer', jsonPath: '.status.progress.failed' },
      { name: 'Items', type: 'integer', jsonPath: '.status.progress.items' },
      {
        name: 'Heartbeat',
        type: 'date',
        jsonPath: '.status.lastHeartbeatTime',
        description: 'Since a worker last gave a sign of life.',
      },
      age,
      { name: 'Schedule', type: 'string', jsonPath: '.spec.scheduleName', priority: 1 },
      { name: 'Trigger', type: 'string', jsonPath: '.spec.trigger.type', priority: 1 },
      { name: 'Duration', type: 'string', jsonPath: '.status.duration', priority: 1 },
      { name: 'Queue', type: 'string', jsonPath: '.status.queue.name', priority: 1 },
      {
        name: 'Place',
        type: 'integer',
        jsonPath: '.status.queue.position',
        description: 'Place in line, while the run waits there.',
        priority: 1,
      },
      { name: 'Reason', type: 'string', jsonPath: '.status.reason', priority: 1 },
      { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
    ],
    selectableFields: ['.spec.scheduleName', '.spec.trigger.type', '.status.phase'],
  },
  {
    kind: 'CrawlBackfill',
    plural: 'crawlbackfills',
    singular: 'crawlbackfill',
    shortName: 'cback',
    description:
      'A CrawlBackfill makes the runs of past times of a CrawlSchedule: it shows them as a plan, and makes them once that plan is approved.',
    spec: crawlBackfillSpec,
    status: crawlBackfillStatus,
    rules: [
      {
        rule: "size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        message: 'metadata.name must be at most 63 characters of a-z, 0-9 and -, since its runs have it as a label',
        reason: 'FieldValueInvalid',
        fieldPath: '.metadata.name',
      },
    ],
    columns: [
      { name: 'Schedule', type: 'string', jsonPath: '.spec.scheduleName' },
      { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
      { name: 'Total', type: 'integer', jsonPath: '.status.progress.total', description: 'Runs of the plan.' },
      { name: 'Waiting', type: 'integer', jsonPath: '.status.progress.waiting' },
      { name: 'Active', type: 'integer', jsonPath: '.status.progress.active' },
      { name: 'Succeeded', type: 'integer', jsonPath: '.status.progress.succeeded' },
      { name: 'Failed', type: 'integer', jsonPath: '.status.progress.failed' },
      {
        name: 'Plan',
        type: 'string',
        jsonPath: '.status.plan.hash',
        description: 'What spec.approvedPlan has to say.',
      },
      age,
      { name: 'From', type: 'string', jsonPath: '.spec.from', priority: 1 },
      { name: 'To', type: 'string', jsonPath: '.spec.to', priority: 1 },
      { name: 'Reason', type: 'string', jsonPath: condition('Progressing', 'reason'), priority: 1 },
      {
        name: 'Message',
        type: 'string',
        jsonPath: '.status.conditions[?(@.type=="Progressing")].message',
        priority: 1,
      },
    ],
    selectableFields: ['.spec.scheduleName', '.status.phase'],
  },
];

function jsonSchema(schema: z.ZodType): JsonObject {
  return z.toJSONSchema(schema, { io: 'input', reused: 'inline', target: 'draft-2020-12' }) as JsonObject;
}

/**
 * The schema with the defaults of the crawl in words, for those who ask kubectl: the operator fills them in, not the API
 * server. See docs/decisions/0021-lean-crawls.md.
 */
function withLeanCrawl(schema: JsonObject): JsonObject {
  return mapProperties(schema, (child, name) => {
    if (name in crawlSpecShape) return defaultsInWords(child);
    if (name !== 'runTemplate') return child;
    return mapProperties(child, (part, key) => (key === 'spec' ? withLeanCrawl(part) : part));
  });
}

function defaultsInWords(schema: JsonObject): JsonObject {
  const { default: given, ...rest } = schema;
  const isWorthSaying = given !== undefined && !isDeepStrictEqual(given, {}) && !isDeepStrictEqual(given, []);
  const said = {
    ...rest,
    ...(isWorthSaying ? { description: `${schema['description'] ?? ''} Default: ${sayDefault(given)}.`.trim() } : {}),
    ...(schema['items'] === undefined ? {} : { items: defaultsInWords(asObject(schema['items'], 'items')) }),
  };
  return mapProperties(said, defaultsInWords);
}

/** The schema of an object with others for its properties; any other schema as it is. */
function mapProperties(schema: JsonObject, change: (child: JsonObject, name: string) => JsonObject): JsonObject {
  if (schema['properties'] === undefined) return schema;
  const properties = Object.entries(asObject(schema['properties'], 'properties')).map(([name, child]) => [
    name,
    change(asObject(child, name), name),
  ]);
  return { ...schema, properties: Object.fromEntries(properties) as JsonObject };
}

function sayDefault(value: Json): string {
  return Array.isArray(value) ? value.join(', ') : String(value);
}

function definition(kind: Kind): JsonObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        shortNames: [kind.shortName],
        categories: ['trawler'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns,
          selectableFields: kind.selectableFields.map((jsonPath) => ({ jsonPath })),
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: kind.description,
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                // Only the name may be told of here: rules name it in what they refuse.
                metadata: { type: 'object', properties: { name: { type: 'string' } } },
                spec: structuralSchema(withLeanCrawl(jsonSchema(kind.spec)), 'spec'),
                status: structuralSchema(jsonSchema(kind.status), 'status'),
              },
              ...(kind.rules.length > 0 ? { 'x-kubernetes-validations': kind.rules } : {}),
            },
          },
        },
      ],
    },
  };
}

/** Every CustomResourceDefinition of the group, by plural name. */
export function customResourceDefinitions(): ReadonlyMap<string, JsonObject> {
  return new Map(KINDS.map((kind) => [kind.plural, definition(kind)]));
}

// Whether a CrawlSchedule, CrawlRun or CrawlBackfill from a file is one that the API server would accept: its fields, their values,
// and the CEL rules over them, each problem with the path of its field.
import { Environment } from '@marcbachmann/cel-js';
import type { z } from 'zod';
import { crawlBackfillSpec } from '../resources/crawl-backfill.ts';
import { crawlRunSpec } from '../resources/crawl-run.ts';
import { crawlScheduleSpec } from '../resources/crawl-schedule.ts';
import { customResourceDefinitions } from '../resources/custom-resource-definition.ts';
import { GROUP, VERSION } from '../resources/group.ts';
import type { ValidationRule } from '../resources/validation.ts';

export type Problem = {
  /** Where, such as `spec.sources[0].urls`; empty for the object itself. */
  readonly path: string;
  readonly message: string;
};

type Schema = {
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[];
};

type Definition = {
  readonly spec: { readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: Schema } }] };
};

type Fields = Readonly<Record<string, unknown>>;

export type ResourceKind = 'CrawlSchedule' | 'CrawlRun' | 'CrawlBackfill';

const SPECS: Readonly<Record<ResourceKind, { readonly plural: string; readonly spec: z.ZodType }>> = {
  CrawlSchedule: { plural: 'crawlschedules', spec: crawlScheduleSpec },
  CrawlRun: { plural: 'crawlruns', spec: crawlRunSpec },
  CrawlBackfill: { plural: 'crawlbackfills', spec: crawlBackfillSpec },
};

export const RESOURCE_KINDS: readonly ResourceKind[] = ['CrawlSchedule', 'CrawlRun', 'CrawlBackfill'];

/** Rules over these use functions that only Kubernetes has, and nothing of them is read outside of a cluster. */
const OF_THE_CLUSTER = new Set(['pod', 'labels', 'annotations', 'status']);

const cel = new Environment({ unlistedVariablesAreDyn: true, homogeneousAggregateLiterals: false });

/**
 * Everything that is wrong with the object; nothing when the API server would accept it.
 * @param kinds of which it has to be one
 */
export function checkResource(object: Fields, kinds: readonly ResourceKind[]): readonly Problem[] {
  const name = kinds.find((one) => one === object['kind']);
  if (name === undefined) return [{ path: 'kind', message: `must be one of ${kinds.join(', ')}` }];
  const kind = SPECS[name];
  if (object['apiVersion'] !== `${GROUP}/${VERSION}`) {
    return [{ path: 'apiVersion', message: `must be ${GROUP}/${VERSION}` }];
  }
  const schema = schemaOf(kind.plural);
  const unknown = unknownFields(object, schema, '');
  const parsed = kind.spec.safeParse(object['spec']);
  const wrong = parsed.success ? [] : parsed.error.issues.map((issue) => problemOf(issue, object['spec']));
  if (wrong.length + unknown.length > 0 || !parsed.success) return [...unknown, ...wrong];
  // Rules see the defaults. A value that was given stays as it was: zod brings durations within their bounds.
  const whole = { ...object, metadata: object['metadata'] ?? {}, spec: withDefaults(parsed.data, object['spec']) };
  return brokenRules(whole, schema, '');
}

function schemaOf(plural: string): Schema {
  const definition = customResourceDefinitions().get(plural);
  if (definition === undefined) throw new Error(`there is no resource ${plural}`);
  return (definition as unknown as Definition).spec.versions[0].schema.openAPIV3Schema;
}

function problemOf({ path, message }: z.core.$ZodIssue, spec: unknown): Problem {
  const place = pathText('spec', path);
  return { path: place, message: isGiven(spec, path) ? message : 'is missing' };
}

function isGiven(value: unknown, [key, ...rest]: readonly PropertyKey[]): boolean {
  if (key === undefined) return value !== undefined;
  return isObject(value) || Array.isArray(value) ? isGiven((value as Fields)[String(key)], rest) : false;
}

function pathText(start: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => (typeof key === 'number' ? `${text}[${key}]` : join(text, key)), start);
}

function join(path: string, key: PropertyKey): string {
  return path === '' ? String(key) : `${path}.${String(key)}`;
}

function unknownFields(value: unknown, schema: Schema, path: string): Problem[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.flatMap((one, index) => unknownFields(one, items, `${path}[${index}]`));
  }
  const { properties } = schema;
  if (!isObject(value) || properties === undefined) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    if (path === '' && (key === 'metadata' || key === 'status')) return [];
    const known = properties[key];
    if (known === undefined) return [{ path: join(path, key), message: 'unknown field' }];
    return unknownFields(child, known, join(path, key));
  });
}

function brokenRules(value: unknown, schema: Schema, path: string): Problem[] {
  if (value === undefined) return [];
  const rules = schema['x-kubernetes-validations'] ?? [];
  const self = rules.length > 0 ? withInstants(value, schema) : value;
  const own = rules.flatMap((rule) => brokenRule(rule, self, path));
  if (Array.isArray(value)) {
    const { items } = schema;
    const keys = schema['x-kubernetes-list-map-keys'] ?? [];
    const children = value.flatMap((one, index) => brokenRules(one, items ?? {}, `${path}[${index}]`));
    return [...own, ...duplicates(value, keys, path), ...children];
  }
  if (!isObject(value)) return own;
  const children = Object.entries(value).flatMap(([key, child]) => {
    if (OF_THE_CLUSTER.has(key)) return [];
    return brokenRules(child, schema.properties?.[key] ?? {}, join(path, key));
  });
  return [...own, ...children];
}

function brokenRule({ rule, message, fieldPath = '' }: ValidationRule, self: unknown, path: string): Problem[] {
  // A new object has no earlier self.
  if (rule.includes('oldSelf') || OF_THE_CLUSTER.has(fieldPath.slice(1))) return [];
  if (cel.evaluate(rule, { self }) === true) return [];
  const place = path === '' ? fieldPath.slice(1) : `${path}${fieldPath}`;
  return [{ path: place, message: message ?? `breaks the rule ${rule}` }];
}

/** The value as rules see it: what the schema calls a time is an instant, whatever its offset. */
function withInstants(value: unknown, { format, properties = {} }: Schema): unknown {
  if (format === 'date-time' && typeof value === 'string') return new Date(value);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, withInstants(child, properties[key] ?? {})]),
  );
}

/** Two entries of a list that is keyed by properties of its entries. */
function duplicates(list: readonly unknown[], keys: readonly string[], path: string): Problem[] {
  if (keys.length === 0) return [];
  const keyOf = (entry: unknown) => JSON.stringify(keys.map((key) => (entry as Fields)[key]));
  const seen = list.map(keyOf);
  return seen.flatMap((key, index) =>
    seen.indexOf(key) < index ? [{ path: `${path}[${index}]`, message: `another entry has the same ${keys}` }] : [],
  );
}

function withDefaults(whole: unknown, given: unknown): unknown {
  if (Array.isArray(given)) {
    return given.map((one, index) => withDefaults(Array.isArray(whole) ? whole[index] : undefined, one));
  }
  if (!isObject(given)) return given ?? whole;
  const defaults = isObject(whole) ? whole : {};
  const keys = new Set([...Object.keys(defaults), ...Object.keys(given)]);
  return Object.fromEntries([...keys].map((key) => [key, withDefaults(defaults[key], given[key])]));
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

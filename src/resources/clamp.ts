// Cuts a status to what its schema allows. The API server refuses a status as a whole for one text that is too long, and
// the object would never say anything again.
import { z } from 'zod';

type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly type?: string;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
};

const known = new WeakMap<z.ZodType, Schema>();

function schemaOf(type: z.ZodType): Schema {
  const schema = known.get(type) ?? (z.toJSONSchema(type, { io: 'input', reused: 'inline' }) as Schema);
  known.set(type, schema);
  return schema;
}

/**
 * The value with texts cut to their greatest length (in code points, as the API server counts), lists to their greatest
 * number of entries, numbers put between their bounds, and of entries with the same keys the first alone. What a schema
 * cannot cut (a text that does not match its pattern, a value outside of an enum) stays as it is.
 */
export function clampToSchema<T>(type: z.ZodType<unknown, T>, value: T): T {
  return clamp(schemaOf(type), value) as T;
}

function clamp(schema: Schema, value: unknown): unknown {
  if (typeof value === 'string') return cutText(value, schema.maxLength);
  if (typeof value === 'number') return clampNumber(schema, value);
  if (Array.isArray(value)) return clampList(schema, value);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).slice(0, schema.maxProperties ?? Number.POSITIVE_INFINITY);
  return Object.fromEntries(entries.map(([name, child]) => [name, clamp(childOf(schema, name), child)]));
}

function childOf({ properties, additionalProperties }: Schema, name: string): Schema {
  return properties?.[name] ?? (typeof additionalProperties === 'object' ? additionalProperties : {});
}

/** At most so many code points; half a surrogate pair, which no JSON carries, becomes U+FFFD. */
export function cutText(text: string, maxLength = Number.POSITIVE_INFINITY): string {
  const whole = text.toWellFormed();
  if (whole.length <= maxLength) return whole;
  const characters = [...whole];
  if (characters.length <= maxLength) return whole;
  return maxLength === 0 ? '' : `${characters.slice(0, maxLength - 1).join('')}…`;
}

function clampNumber({ type, minimum, maximum }: Schema, value: number): number {
  const finite = Number.isFinite(value) ? value : (minimum ?? 0);
  const whole = type === 'integer' ? Math.trunc(finite) : finite;
  return Math.min(maximum ?? Number.MAX_SAFE_INTEGER, Math.max(minimum ?? Number.MIN_SAFE_INTEGER, whole));
}

function clampList(schema: Schema, list: readonly unknown[]): unknown[] {
  const clamped = list.map((entry) => clamp(schema.items ?? {}, entry));
  const keys = schema['x-kubernetes-list-map-keys'];
  const unique = keys === undefined ? clamped : firstOfEach(clamped, keys);
  return unique.slice(0, schema.maxItems ?? unique.length);
}

function firstOfEach(list: readonly unknown[], keys: readonly string[]): unknown[] {
  const seen = new Set<string>();
  return list.filter((entry) => {
    const key = JSON.stringify(keys.map((name) => (entry as Record<string, unknown>)[name]));
    return !seen.has(key) && Boolean(seen.add(key));
  });
}

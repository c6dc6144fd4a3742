// How a zod schema carries what only Kubernetes knows: CEL rules and list types.
import type { z } from 'zod';

/** One entry of x-kubernetes-validations: a CEL expression over `self` (and `oldSelf` when it compares). */
export type ValidationRule = {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired' | 'FieldValueDuplicate';
  readonly fieldPath?: string;
};

/** The schema with CEL rules that the API server evaluates. */
export function withRules<T extends z.ZodType>(schema: T, rules: readonly ValidationRule[]): T {
  return schema.meta({ ...schema.meta(), 'x-kubernetes-validations': rules });
}

/** The array as a map keyed by one property, so that keys are unique and items can be addressed and merged. */
export function keyedBy<T extends z.ZodType>(schema: T, key: string): T {
  return schema.meta({ ...schema.meta(), 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] });
}

/** The array as a set: a value can be there once. */
export function uniqueValues<T extends z.ZodType>(schema: T): T {
  return schema.meta({ ...schema.meta(), 'x-kubernetes-list-type': 'set' });
}

/** The map with at most so many entries: without a bound the API server takes every rule over it for too costly. */
export function withMaxProperties<T extends z.ZodType>(schema: T, maxProperties: number): T {
  return schema.meta({ ...schema.meta(), maxProperties });
}

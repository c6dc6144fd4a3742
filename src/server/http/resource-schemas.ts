// The schemas of both resources as OpenAPI carries them, made of the CRDs, which are made of the zod schemas.

import { MUTABLE_RUN_FIELDS } from '../../resources/crawl-run.ts';
import { customResourceDefinitions } from '../../resources/custom-resource-definition.ts';

type JsonSchema = { readonly [key: string]: unknown; readonly properties?: Readonly<Record<string, JsonSchema>> };

/** @param part `spec` or `status` */
export function resourceSchema(plural: string, part: 'spec' | 'status'): object {
  const definition = customResourceDefinitions().get(plural);
  const schema = definition && schemaOf(definition).properties?.[part];
  if (schema === undefined) throw new Error(`there is no schema of ${plural}.${part}`);
  return withoutExtensions(schema) as object;
}

/** The fields of a run's spec that may change while it lives. */
export function mutableRunSpec(): object {
  const { properties = {} } = resourceSchema('crawlruns', 'spec') as JsonSchema;
  const mutable = MUTABLE_RUN_FIELDS.flatMap((name) => (properties[name] ? [[name, properties[name]] as const] : []));
  return { type: 'object', properties: Object.fromEntries(mutable) };
}

function schemaOf(definition: object): JsonSchema {
  const { spec } = definition as { spec: { versions: { schema: { openAPIV3Schema: JsonSchema } }[] } };
  return spec.versions[0]?.schema.openAPIV3Schema ?? {};
}

/** Only Kubernetes knows what x-kubernetes-… means. */
function withoutExtensions(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutExtensions);
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept = Object.entries(schema).filter(([key]) => !key.startsWith('x-kubernetes-'));
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutExtensions(value)]));
}

// Random values that a structural schema of a CustomResourceDefinition lets in; rules in CEL are not looked at.
import fc from 'fast-check';

export type Schema = {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message?: string }[];
};

type Definition = { spec: { versions: { schema: { openAPIV3Schema: { properties: Record<string, Schema> } } }[] } };

/** The schema of `spec` or `status` in a definition that customResourceDefinitions made. */
export function schemaOf(definition: unknown, part: 'spec' | 'status'): Schema {
  return (definition as Definition).spec.versions[0]?.schema.openAPIV3Schema.properties[part] ?? {};
}

const characters = (value: string) => [...value].length;

function text({ pattern, minLength = 0, maxLength = 60, format }: Schema): fc.Arbitrary<string> {
  const isWithin = (value: string) => characters(value) >= minLength && characters(value) <= maxLength;
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern, 'u'), { size: '-1' }).filter(isWithin);
  if (format === 'date-time')
    return fc.date({ noInvalidDate: true, min: new Date(0) }).map((time) => time.toISOString());
  const short = fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, Math.max(minLength, 12)) });
  // The API server counts characters: an emoji is one, in JavaScript two.
  const longest = fc.constantFrom('x', 'é', '😀').map((character) => character.repeat(maxLength));
  return fc.oneof({ weight: 4, arbitrary: short.filter(isWithin) }, { weight: 1, arbitrary: longest });
}

function number({ type, minimum = -1_000, maximum = 1_000 }: Schema): fc.Arbitrary<number> {
  const bounds = fc.constantFrom(minimum, maximum);
  if (type === 'integer') return fc.oneof(bounds, fc.integer({ min: minimum, max: maximum }));
  return fc.oneof(bounds, fc.double({ min: minimum, max: maximum, noNaN: true }));
}

export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema['x-kubernetes-int-or-string']) {
    return fc.oneof(fc.integer({ min: schema.minimum ?? 0, max: 1_000 }), text(schema));
  }
  switch (schema.type) {
    case 'string':
      return text(schema);
    case 'integer':
    case 'number':
      return number(schema);
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, Math.max(schema.minItems ?? 0, 3)),
      });
    case 'object': {
      if (schema.additionalProperties) {
        const keys = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 });
        return fc.dictionary(keys, valuesOf(schema.additionalProperties), { maxKeys: 3, noNullPrototype: true });
      }
      const properties = Object.entries(schema.properties ?? {}).map(
        ([name, child]) => [name, valuesOf(child)] as const,
      );
      return fc.record(Object.fromEntries(properties), {
        requiredKeys: [...(schema.required ?? [])],
        noNullPrototype: true,
      } as never) as fc.Arbitrary<unknown>;
    }
    default:
      throw new Error(`no values of ${JSON.stringify(schema).slice(0, 200)}`);
  }
}

/** Each part of the schema that is not made of others, by its path. */
export function* leavesOf(schema: Schema, path: string): Generator<[path: string, leaf: Schema]> {
  if (schema.properties) {
    for (const [name, child] of Object.entries(schema.properties)) yield* leavesOf(child, `${path}.${name}`);
  } else if (schema.items) {
    yield* leavesOf(schema.items, `${path}[]`);
  } else if (schema.additionalProperties) {
    yield* leavesOf(schema.additionalProperties, `${path}{}`);
  } else {
    yield [path, schema];
  }
}

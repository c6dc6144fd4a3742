// Within version 1 of the protocol either side may be newer: what the first one wrote is understood, and what a later one adds is
// left out.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { CALLS, type CallName, isCallName } from '#src/gateway/protocol/calls.ts';
import { errorOf } from '#src/gateway/protocol/problem.ts';

/** Each call as the first gateway and the first worker wrote it. It never changes. */
const FIRST = z
  .record(z.string(), z.object({ request: z.unknown(), answers: z.array(z.unknown()) }))
  .parse(JSON.parse(readFileSync(new URL('protocol-v1.json', import.meta.url), 'utf8')));

const calls = Object.entries(FIRST).map(([name, { request, answers }]) => {
  if (!isCallName(name)) throw new Error(`the call ${name} is there no more`);
  return { name, request, answers };
});

/** The value with one more field in each object of which the schema knows the fields. */
function withLaterFields(schema: z.core.$ZodType, value: unknown, later: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) {
    return value == null ? value : withLaterFields(schema.unwrap(), value, later);
  }
  if (schema instanceof z.ZodUnion) {
    const option = schema.options.find((one) => z.safeParse(one, value).success);
    return option === undefined ? value : withLaterFields(option, value, later);
  }
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((element) => withLaterFields(schema.element, element, later));
  }
  if (!(schema instanceof z.ZodObject) || typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => {
    const ofField = schema.shape[name];
    return [name, ofField === undefined ? field : withLaterFields(ofField, field, later)];
  });
  return { ...Object.fromEntries(fields), later };
}

test('all calls of the first version are there', () => {
  expect(Object.keys(FIRST).filter((name) => !isCallName(name))).toEqual([]);
});

describe.each(calls)('$name', ({ name, request, answers }) => {
  const schemas = CALLS[name as CallName];
  const values: readonly (readonly [z.ZodType, unknown])[] = [
    [schemas.request, request],
    ...answers.map((answer) => [schemas.answer, answer] as const),
  ];

  test('is understood as the first version wrote it', () => {
    for (const [schema, value] of values) expect(schema.safeParse(value)).toMatchObject({ success: true });
  });

  test('is the same with whatever a later version adds', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), (later) => {
        for (const [schema, value] of values) {
          expect(schema.parse(withLaterFields(schema, value, later))).toEqual(schema.parse(value));
        }
      }),
      { numRuns: 10 },
    );
  });
});

test('fields that the first worker did not write have a value', () => {
  const { request = {} } = FIRST['claim'] ?? {};
  expect(CALLS.claim.request.parse(request)).toMatchObject({ waitMs: 0 });
});

test.each([
  ['a reason that is not known yet', 422, { title: 'x', status: 422, reason: 'MoonPhase', later: 1 }, 'Refused'],
  ['more than is known', 503, { title: 'x', status: 503, reason: 'Unavailable', later: [1] }, 'Unavailable'],
  ['no reason', 503, { title: 'x', status: 503 }, 'Refused'],
  ['no problem at all, of a proxy that waits', 502, '<html>', 'Unavailable'],
])('an error with %s', (_, status, body, reason) => {
  expect(errorOf(status, body)).toMatchObject({ reason });
});

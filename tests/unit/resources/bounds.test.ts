// Every number and duration that a user may write has a least and a greatest value, every text and list a greatest size.
import { describe, expect, test } from 'vitest';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';
import { crawlScheduleSpec } from '#src/resources/crawl-schedule.ts';
import { customResourceDefinitions } from '#src/resources/custom-resource-definition.ts';
import { DURATION_PATTERN } from '#src/resources/duration.ts';
import { leavesOf, type Schema, schemaOf } from '../../support/schema-values.ts';

const kinds = [...customResourceDefinitions()].map(
  ([plural, definition]) => [plural, schemaOf(definition, 'spec')] as const,
);

function lacksBounds(leaf: Schema): boolean {
  if (leaf.type === 'integer' || leaf.type === 'number')
    return leaf.minimum === undefined || leaf.maximum === undefined;
  if (leaf.pattern === DURATION_PATTERN.source) {
    return !leaf['x-kubernetes-validations']?.some(({ rule }) =>
      /duration\(self\) >= .* duration\(self\) <= /.test(rule),
    );
  }
  const isText = leaf.type === 'string' && leaf.enum === undefined && leaf.format !== 'date-time';
  return isText && leaf.maxLength === undefined;
}

describe.each(kinds)('%s', (plural, spec) => {
  test('no number, duration or text is without bounds', () => {
    const leaves = [...leavesOf(spec, 'spec')];
    expect(leaves.length).toBeGreaterThan(plural === 'crawlbackfills' ? 5 : 50);
    expect(leaves.filter(([, leaf]) => lacksBounds(leaf)).map(([path]) => path)).toEqual([]);
  });

  test('no list is without a greatest number of entries', () => {
    const unbounded: string[] = [];
    const look = (schema: Schema, path: string): void => {
      if (schema.items && schema.maxItems === undefined) unbounded.push(path);
      if (schema.items) look(schema.items, `${path}[]`);
      for (const [name, child] of Object.entries(schema.properties ?? {})) look(child, `${path}.${name}`);
    };
    look(spec, 'spec');
    expect(unbounded).toEqual([]);
  });
});

test('a duration that an earlier schema let in is read as the nearer bound', () => {
  const sources = [{ name: 'a', urls: ['http://a.example/'] }];
  const schedule = (interval: string) =>
    crawlScheduleSpec.parse({ interval, runTemplate: { spec: { sources } } }).interval;
  expect(schedule('0s')).toBe('1s');
  expect(schedule('1ms')).toBe('1s');
  expect(schedule('999999h999999h')).toBe('87600h');
  expect(schedule('90m')).toBe('90m');
  const { heartbeat, politeness } = crawlRunSpec.parse({ sources, heartbeat: { interval: '597h' } });
  expect(heartbeat.interval).toBe('10m');
  expect(politeness.delay).toBe('0s');
});

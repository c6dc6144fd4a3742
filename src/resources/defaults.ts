// A crawl without what need not be said: crawls are stored as they were given, see docs/decisions/0021-lean-crawls.md.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { type CrawlSpec, type CrawlSpecInput, crawlSpec } from './crawl-run.ts';

type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly default?: unknown;
};

const schema = z.toJSONSchema(crawlSpec, { io: 'input', reused: 'inline' }) as Schema;

/** The shortest spec that the schema fills up to this one. */
export function withoutDefaults(spec: CrawlSpec): CrawlSpecInput {
  return lean(spec, schema) as CrawlSpecInput;
}

function lean(value: unknown, { properties, items }: Schema): unknown {
  if (Array.isArray(value)) return items === undefined ? value : value.map((item) => lean(item, items));
  if (properties === undefined || typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, field]) => [name, lean(field, properties[name] ?? {})] as const)
      .filter(([name, field]) => !isDeepStrictEqual(field, properties[name]?.default)),
  );
}

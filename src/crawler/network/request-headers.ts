// The headers that a user adds to requests: from the spec, and from a Secret that is mounted into the pod. They are for
// the hosts that the user named, and no link or redirect takes them to another.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { HEADER_NAME_PATTERN, HEADER_VALUE_PATTERN, isReservedHeader } from '../../resources/request-headers.ts';
import { normaliseUrl } from '../urls/url.ts';

export type Headers = Readonly<Record<string, string>>;

/** What is added to a request for the URL; names in lower case. */
export type HeadersFor = (url: URL) => Headers;

const NONE: Headers = {};

/** A Secret with a key or value that is no header; the message names the key and never holds the value. */
export class SecretHeaderError extends Error {
  override readonly name = 'SecretHeaderError';
}

/**
 * Each file of the folder is a header: its name the name, its content the value, without white space around it. Throws a
 * SecretHeaderError.
 */
export function readSecretHeaders(directory: string): Headers {
  if (!existsSync(directory)) throw new SecretHeaderError(`${directory}: the Secret with the headers is not there`);
  // Kubernetes keeps the data behind links that begin with two dots.
  const names = readdirSync(directory).filter((name) => !name.startsWith('..'));
  return Object.fromEntries(names.map((name) => [name.toLowerCase(), readHeader(directory, name)]));
}

function readHeader(directory: string, name: string): string {
  if (!HEADER_NAME_PATTERN.test(name) || isReservedHeader(name)) {
    throw new SecretHeaderError(`fetch.headersSecretRef: the header "${name}" cannot be set`);
  }
  const value = readFileSync(join(directory, name), 'utf8').trim();
  if (HEADER_VALUE_PATTERN.test(value)) return value;
  throw new SecretHeaderError(`fetch.headersSecretRef: the value of "${name}" is not printable ASCII in one line`);
}

/**
 * Headers go to the hosts of the start URLs and sitemaps, and not by http where the start URL is https. Those of the Secret win over
 * those of the spec.
 */
export function headersForHosts(spec: CrawlRunSpec, secret: Headers = {}): HeadersFor {
  const plain = spec.fetch.headers.map(({ name, value }) => [name.toLowerCase(), value] as const);
  const headers: Headers = { ...Object.fromEntries(plain), ...secret };
  const seeds = spec.sources.flatMap((source) => [...source.urls, ...source.sitemaps].map((url) => normaliseUrl(url)));
  const origins = new Set(seeds.flatMap((seed) => (seed === undefined ? [] : originsOf(seed))));
  return (url) => (origins.has(url.origin) ? headers : NONE);
}

/** A host that is asked by http may answer by https, on the port that goes with it. */
function originsOf(seed: URL): string[] {
  return seed.protocol === 'http:' && seed.port === '' ? [seed.origin, `https://${seed.host}`] : [seed.origin];
}

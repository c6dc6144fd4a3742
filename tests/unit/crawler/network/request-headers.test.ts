import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headersForHosts, readSecretHeaders } from '#src/crawler/network/request-headers.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

describe('headers of the spec', () => {
  const spec = crawlRunSpec.parse({
    sources: [
      { name: 'a', urls: ['http://a.test/start'] },
      { name: 'b', urls: ['https://b.test:8443/'] },
    ],
    fetch: {
      headers: [
        { name: 'X-Key', value: 'spec' },
        { name: 'X-Other', value: 'other' },
      ],
    },
  });
  const headersFor = headersForHosts(spec, { 'x-key': 'secret' });
  const both = { 'x-key': 'secret', 'x-other': 'other' };

  it.each([
    ['http://a.test/anything', both],
    ['https://a.test/', both],
    ['https://b.test:8443/', both],
    // Not in the clear where it began encrypted, nor to another port, subdomain or name.
    ['http://b.test:8443/', {}],
    ['https://b.test/', {}],
    ['http://a.test:8080/', {}],
    ['http://www.a.test/', {}],
    ['http://a.test.evil.test/', {}],
  ])('are added to %s: %j', (url, expected) => {
    expect(headersFor(new URL(url))).toEqual(expected);
  });
});

describe('headers of a Secret', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'trawler-headers-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const write = (name: string, value: string) => writeFile(path.join(directory, name), value);

  it('are the files of its folder, as Kubernetes mounts it', async () => {
    await write('..data', 'the real folder');
    await write('real', 'Bearer abc\n');
    await symlink('real', path.join(directory, 'Authorization'));
    expect(readSecretHeaders(directory)).toEqual({ authorization: 'Bearer abc', real: 'Bearer abc' });
  });

  it.each([
    ['Host', 'a.test'],
    ['content-length', '1'],
    ['a b', 'c'],
    ['x-key', 'geheim\nX-Injected: 1'],
    ['x-key', 'gehéim'],
  ])('are refused when they are none (%s: %j), without telling the value', async (name, value) => {
    await write(name, value);
    expect(() => readSecretHeaders(directory)).toThrow(name);
    expect(() => readSecretHeaders(directory)).not.toThrow(/geh/);
  });

  it('that is not there are an error', () => {
    expect(() => readSecretHeaders(path.join(directory, 'none'))).toThrow('not there');
  });
});

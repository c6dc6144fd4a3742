// Lists of start URLs: what a line may be, and what a list is refused for.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseUrlList, withListedUrls } from '#src/crawler/discovery/url-lists.ts';
import { normaliseUrl } from '#src/crawler/urls/url.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';

describe('a list', () => {
  it('has a URL a line; empty lines and comments say nothing', () => {
    const text =
      '\uFEFFhttp://a.example/#top\r\n\n  # all of b\n\thttps://b.example/x?y=1  \n#http://c.example/\rHTTP://D.example';
    expect(parseUrlList(text)).toEqual({
      urls: ['http://a.example/#top', 'https://b.example/x?y=1', 'HTTP://D.example'],
      bad: [],
    });
    expect(parseUrlList('')).toEqual({ urls: [], bad: [] });
  });

  it('keeps the others when some are bad, and says which and why', () => {
    const long = `http://a.example/${'x'.repeat(3_000)}`;
    const text = [
      'http://a.example/',
      'ftp://a.example/',
      '',
      '/path',
      'http://a.example/ b',
      long,
      'http://b.example/',
    ];
    const { urls, bad } = parseUrlList(text.join('\n'));
    expect(urls).toEqual(['http://a.example/', 'http://b.example/']);
    expect(bad).toEqual([
      { line: 2, text: 'ftp://a.example/', why: 'is no absolute http or https URL' },
      { line: 4, text: '/path', why: 'is no absolute http or https URL' },
      { line: 5, text: 'http://a.example/ b', why: 'holds white space: one URL a line' },
      { line: 6, text: long.slice(0, 200), why: 'has more than 2048 characters' },
    ]);
  });

  it('loses no line, whatever is in it', () => {
    const line = fc.oneof(
      fc.webUrl(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', '#', ' ', 'http://', 'http:a'),
    );
    fc.assert(
      fc.property(fc.array(line.map((text) => text.replace(/[\r\n]/g, ''))), (lines) => {
        const { urls, bad } = parseUrlList(lines.join('\n'));
        const silent = lines.filter((text) => /^\s*(#|$)/.test(text.replace(/^\uFEFF/, ''))).length;
        expect(urls.length + bad.length).toBe(lines.length - silent);
        for (const url of urls) expect(normaliseUrl(url)).toBeDefined();
        for (const { line, text } of bad) expect(lines[line - 1]).toContain(text);
      }),
    );
  });
});

describe('the spec with its lists', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'trawler-url-lists-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const urlsFrom = { configMap: { name: 'shops', key: 'all.txt' } };
  const parsed = (source: Partial<CrawlRunSpecInput['sources'][number]> = {}) =>
    crawlRunSpec.parse({
      sources: [
        { name: 'shop', urlsFrom, ...source },
        { name: 'other', urls: ['http://b.example/'] },
      ],
    });
  const write = (text: string) => writeFile(path.join(directory, 'shop'), text);

  it('has their URLs behind its own, and names bad lines', async () => {
    await write('http://a.example/2\nnonsense\n');
    const spec = parsed({ urls: ['http://a.example/1'] });
    const { sources } = await withListedUrls(spec, directory);
    expect(sources.map(({ urls }) => urls)).toEqual([
      [
        'http://a.example/1',
        'http://a.example/2',
        'ConfigMap shops, key all.txt, line 2, is no absolute http or https URL: nonsense',
      ],
      ['http://b.example/'],
    ]);
  });

  it('reads none for a source that is not crawled', async () => {
    const spec = parsed({ active: false });
    expect(await withListedUrls(spec, directory)).toEqual(spec);
  });

  it.each<[string, string | undefined, string]>([
    ['is not there', undefined, 'is not there; does the ConfigMap exist, and have that key?'],
    ['holds no URL', '# later\n', 'has no URL'],
    ['is too large', `#${'x'.repeat(1_048_576)}`, 'has more than 1048576 bytes'],
    ['is too long', 'http://a.example/\n'.repeat(50_001), 'has 50001 URLs, and 50000 are allowed'],
    [
      'is something else',
      'http://a.example/\n'.concat('{}\n'.repeat(101)),
      '101 lines are no URLs, the first one line 2 ("{}" is no absolute http or https URL)',
    ],
  ])('is refused when one %s', async (_what, text, why) => {
    if (text !== undefined) await write(text);
    const message = `sources[shop].urlsFrom: ConfigMap shops, key all.txt: ${why}`;
    await expect(withListedUrls(parsed(), directory)).rejects.toThrow(message);
  });

  it('takes as many as are allowed, and a list without URLs beside others', async () => {
    await write('http://a.example/\n'.repeat(50_000));
    expect((await withListedUrls(parsed(), directory)).sources[0]?.urls).toHaveLength(50_000);
    await write('');
    const spec = await withListedUrls(parsed({ urls: ['http://a.example/'] }), directory);
    expect(spec.sources[0]?.urls).toEqual(['http://a.example/']);
  });
});

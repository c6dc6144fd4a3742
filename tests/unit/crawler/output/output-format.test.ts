// The three formats of a file: whatever items hold, a reader gets it back, in the order of the spec.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { columnsOf, type OutputFormatName, outputFormat } from '#src/crawler/output/output-format.ts';
import type { OutputItem } from '#src/gateway/protocol/worker-store.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];
const fields = ['title', 'price', 'tags'].map((name) => ({ name, selector: 'p' }));
const spec = crawlRunSpec.parse({ sources, extract: { fields } });

function item(data: Record<string, unknown>, id = '1'): OutputItem {
  return { id, source: 'shop', url: 'http://shop.example/1', data };
}

function text(name: OutputFormatName, pages: readonly (readonly OutputItem[])[]): string {
  const found = new Set(pages.flat().flatMap(({ data }) => Object.keys(data)));
  const { head, page, tail } = outputFormat(name, spec, [...found]);
  return head + pages.map((items, index) => page(items, pages.slice(0, index).flat().length === 0)).join('') + tail;
}

/** A reader of RFC 4180, for what the library writes. */
function parseCsv(csv: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    row.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows.slice(0, -1);
}

const names = fc.constantFrom('title', 'price', 'tags', 'more', 'url');
const data = fc.dictionary(names, fc.jsonValue({ noUnicodeString: false }), { noNullPrototype: true });
const pages = fc.array(
  fc.array(
    data.map((values) => item(values)),
    { maxLength: 4 },
  ),
  { maxLength: 4 },
);

describe.each(['JSON', 'JSONL'] as const)('%s', (name) => {
  test('gives every item back, with where it comes from', () => {
    fc.assert(
      fc.property(pages, (given) => {
        const read = name === 'JSON' ? text(name, given) : `[${text(name, given).trim().split('\n').join(',')}]`;
        const expected = given.flat().map(({ source, url, data }) => ({ source, url, ...data }));
        expect(JSON.parse(read)).toEqual(JSON.parse(JSON.stringify(expected)));
      }),
    );
  });
});

test('without an item JSON is an empty list, JSON Lines and CSV have no row', () => {
  expect(JSON.parse(text('JSON', []))).toEqual([]);
  expect(text('JSONL', [])).toBe('');
  expect(text('CSV', [])).toBe('source,url,title,price,tags\r\n');
});

test('fields stand in the order of the spec, whatever order they were stored in', () => {
  const one = item({ extra: 1, tags: [], price: 2, title: 'A' });
  expect(text('JSONL', [[one]])).toBe(
    '{"source":"shop","url":"http://shop.example/1","title":"A","price":2,"tags":[],"extra":1}\n',
  );
  expect(columnsOf(spec, ['extra', 'price', 'another'])).toEqual([
    ...['source', 'url', 'title', 'price', 'tags'],
    ...['another', 'extra'],
  ]);
});

describe('CSV', () => {
  test('gives every text back that does not look like a formula', () => {
    const plain = fc.string({ unit: 'grapheme' }).filter((value) => !/^[=+\-@\t\r＝＋－＠]/.test(value));
    fc.assert(
      fc.property(fc.array(plain), (titles) => {
        const rows = parseCsv(text('CSV', [titles.map((title) => item({ title }))]));
        expect(rows.map((row) => row[2])).toEqual(['title', ...titles]);
        expect(rows.every((row) => row.length === 5)).toBe(true);
      }),
    );
  });

  test('writes lists and objects as JSON, nothing for what is missing', () => {
    const rows = parseCsv(text('CSV', [[item({ title: null, price: true, tags: ['a', { b: 'c,"d' }] })], [item({})]]));
    expect(rows.slice(1).map((row) => row.slice(2))).toEqual([
      ['', 'true', '["a",{"b":"c,\\"d"}]'],
      ['', '', ''],
    ]);
  });

  test.each(['=1+1', '+1', '-1 EUR', '@SUM(A1)', '\t=1', '\r=1', '＝1'])('%j is no formula any more', (title) => {
    expect(parseCsv(text('CSV', [[item({ title })]]))[1]?.[2]).toBe(`'${title}`);
  });

  test('a negative number stays one', () => {
    expect(parseCsv(text('CSV', [[item({ price: -1.5 })]]))[1]?.[3]).toBe('-1.5');
  });
});

// The bytes of sitemaps: which encoding they are in, and that it does not matter in what pieces they arrive.
import { gzipSync } from 'node:zlib';
import iconv from 'iconv-lite';
import { expect, it } from 'vitest';
import { textOfSitemap } from '#src/crawler/discovery/sitemap-text.ts';

const URLSET = '<urlset><url><loc>http://a/слон</loc></url></urlset>';
const LIST = 'http://a/слон\nhttp://a/2\n';
const declared = (encoding: string) => `<?xml version="1.0" encoding="${encoding}"?>${URLSET}`;
const bom = (text: string) => `\ufeff${text}`;

async function textOf(bytes: Buffer, contentType: string | undefined, piece: number): Promise<string> {
  async function* arriving() {
    for (let start = 0; start < bytes.length; start += piece) yield bytes.subarray(start, start + piece);
  }
  let text = '';
  for await (const part of textOfSitemap(arriving(), 1_000_000, contentType)) text += part;
  return text;
}

it.each<[what: string, text: string, encoding: string, contentType: string | undefined]>([
  ['XML in UTF-8', URLSET, 'utf8', undefined],
  ['XML that declares its encoding', declared('windows-1251'), 'windows-1251', undefined],
  ['XML that declares its encoding behind blank lines', `\r\n ${declared('windows-1251')}`, 'windows-1251', 'text/xml'],
  ['XML whose header says it', URLSET, 'windows-1251', 'application/xml; charset=windows-1251'],
  ['XML whose header contradicts its declaration', declared('utf-8'), 'windows-1251', 'text/xml; charset=cp1251'],
  ['XML whose header names what nobody knows', declared('windows-1251'), 'windows-1251', 'text/xml; charset=none'],
  ['XML with a byte-order mark, which is first', bom(declared('koi8-r')), 'utf8', 'text/xml; charset=windows-1251'],
  ['XML in UTF-16 without a mark', declared('utf-16'), 'utf-16le', undefined],
  ['XML in UTF-16 without a mark or a declaration', URLSET, 'utf-16be', 'text/xml'],
  ['XML in UTF-16 with a mark', bom(URLSET), 'utf-16be', 'text/xml; charset=utf-8'],
  ['XML in UTF-8 that calls itself UTF-16', declared('utf-16'), 'utf8', undefined],
  ['a list in UTF-8', LIST, 'utf8', 'text/plain'],
  ['a list whose header names its encoding', LIST, 'windows-1251', 'text/plain; charset="windows-1251"'],
  ['a list in Shift_JIS', 'http://a/日本\n', 'shift_jis', 'text/plain;charset=Shift_JIS'],
  ['a list with a byte-order mark', bom(LIST), 'utf8', 'text/plain; charset=iso-8859-1'],
  ['a list in UTF-16 with a mark', bom(LIST), 'utf-16le', 'text/plain'],
])('%s is read, zipped or not, in pieces of any size', async (_, text, encoding, contentType) => {
  const bytes = iconv.encode(text, encoding);
  const expected = text.replace(/^\ufeff/, '');
  for (const piece of [1, 7, 10_000]) {
    expect(await textOf(bytes, contentType, piece)).toBe(expected);
    expect(await textOf(gzipSync(bytes), contentType, piece)).toBe(expected);
  }
});

it('is refused beyond its bound, be it zipped', async () => {
  const reading = textOf(gzipSync(Buffer.alloc(2_000_000, 'x')), undefined, 1_000);
  await expect(reading).rejects.toMatchObject({ failure: { cause: 'TooLarge' } });
});

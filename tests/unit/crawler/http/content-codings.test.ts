// Bodies as servers pack them, and as they spoil them on the way.
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Coding, codingsOf, decodeBody } from '#src/crawler/http/content-codings.ts';

const page = Buffer.from(
  `<title>page</title>${Array.from({ length: 40_000 }, (_, index) => `<p>${index * 7919}`).join('')}`,
);
const packed: Record<Coding, Buffer> = {
  gzip: gzipSync(page),
  deflate: deflateSync(page),
  br: brotliCompressSync(page),
  zstd: zstdCompressSync(page),
};
const MAX = 1_000_000;

describe('a Content-Encoding header', () => {
  it.each([
    [undefined, []],
    ['', []],
    ['gzip', ['gzip']],
    ['X-GZIP', ['gzip']],
    ['deflate, gzip', ['gzip', 'deflate']],
    ['zstd,,br ', ['br', 'zstd']],
    ['none', []],
    ['UTF-8', []],
    ['binary, gzip', ['gzip']],
    ['identity', []],
  ])('%j is taken off as %j', (header, codings) => {
    expect(codingsOf(header)).toEqual(codings);
  });

  it('has bounds', () => {
    expect(codingsOf('gzip, gzip, gzip, gzip')).toBeUndefined();
  });
});

describe('a body', () => {
  it.each(Object.entries(packed) as [Coding, Buffer][])('in %s is unpacked', async (coding, body) => {
    expect(await decodeBody(body, coding, MAX)).toMatchObject({ bytes: page, isTooLarge: false, isBroken: false });
  });

  it('in deflate may lack the header of zlib', async () => {
    expect((await decodeBody(deflateRawSync(page), 'deflate', MAX)).bytes).toEqual(page);
  });

  it('in gzip may have a name, a comment, extra fields and a sum in its header', async () => {
    const raw = deflateRawSync(page);
    const header = Buffer.from([0x1f, 0x8b, 8, 2 + 4 + 8 + 16, 0, 0, 0, 0, 0, 3, 2, 0, 0x61, 0x62]);
    const named = Buffer.concat([header, Buffer.from('name\0comment\0'), Buffer.from([1, 2]), raw, Buffer.alloc(8)]);
    expect((await decodeBody(named, 'gzip', MAX)).bytes).toEqual(page);
  });

  it('in gzip may have several members', async () => {
    const twice = Buffer.concat([packed.gzip, packed.gzip]);
    expect((await decodeBody(twice, 'gzip', MAX)).bytes).toEqual(Buffer.concat([page, page]));
  });

  it.each(Object.entries(packed) as [Coding, Buffer][])('in %s gives what was sent of it', async (coding, body) => {
    const { bytes, isBroken } = await decodeBody(body.subarray(0, body.length - 100), coding, MAX);
    expect(isBroken).toBe(true);
    expect(bytes.length).toBeGreaterThan(0);
    expect(page.subarray(0, bytes.length)).toEqual(bytes);
  });

  it('in gzip may lack its sum, have a wrong one, or something behind it', async () => {
    const wrong = Buffer.from(packed.gzip);
    wrong[wrong.length - 5] = (wrong[wrong.length - 5] ?? 0) ^ 255;
    for (const body of [packed.gzip.subarray(0, -8), wrong, Buffer.concat([packed.gzip, Buffer.from('rubbish')])]) {
      expect(await decodeBody(body, 'gzip', MAX)).toMatchObject({ bytes: page, isBroken: false });
    }
  });

  it('that is spoilt in the middle gives what comes before', async () => {
    const spoilt = Buffer.from(packed.gzip);
    spoilt.fill(0xff, Math.floor(spoilt.length / 2));
    const { bytes, isBroken } = await decodeBody(spoilt, 'gzip', MAX);
    expect(isBroken).toBe(true);
    expect(bytes.toString()).toContain('<title>page</title>');
    expect(bytes.length).toBeGreaterThan(page.length / 4);
  });

  it.each(['gzip', 'deflate', 'br', 'zstd'] as const)('that is nothing of the kind fails in %s', async (coding) => {
    await expect(decodeBody(Buffer.from('\u0001\u0002 is not packed'), coding, MAX)).rejects.toThrow();
  });

  it.each(Object.entries(packed) as [Coding, Buffer][])('in %s is cut off at the bound', async (coding, body) => {
    const { bytes, isTooLarge, isBroken } = await decodeBody(body, coding, 1_000);
    expect({ isTooLarge, isBroken }).toEqual({ isTooLarge: true, isBroken: false });
    expect(bytes).toEqual(page.subarray(0, 1_000));
  });

  it('may be empty', async () => {
    expect(await decodeBody(Buffer.alloc(0), 'gzip', MAX)).toMatchObject({ bytes: Buffer.alloc(0), isBroken: false });
  });

  it('never gives what was not in it', async () => {
    const coding = fc.constantFrom<Coding>('gzip', 'deflate', 'br', 'zstd');
    await fc.assert(
      fc.asyncProperty(coding, fc.nat({ max: 40_000 }), async (name, length) => {
        const { bytes } = await decodeBody(packed[name].subarray(0, length), name, MAX).catch(() => ({
          bytes: Buffer.alloc(0),
        }));
        expect(page.subarray(0, bytes.length)).toEqual(bytes);
      }),
      { numRuns: 60 },
    );
  });
});

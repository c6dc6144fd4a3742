// JSON for Postgres: the same value, but for what Postgres refuses.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { storableJson } from '#src/store/storable-json.ts';

describe('storableJson', () => {
  it.each([
    ['a\0b', 'a\ufffdb'],
    ['\ud800', '\ufffd'],
    ['x\udfffy', 'x\ufffdy'],
    ['\u{1f600}', '\u{1f600}'],
    ['\\u0000', '\\u0000'],
    ['\\\0', '\\\ufffd'],
    ['\\ud800 "quoted" \n', '\\ud800 "quoted" \n'],
  ])('stores %j as %j', (given, stored) => {
    expect(JSON.parse(storableJson({ [given]: [given] }))).toEqual({ [stored]: [stored] });
  });

  it('changes nothing but NUL and halves of surrogate pairs, in any value', () => {
    const text = fc.string({
      unit: fc.constantFrom('\0', '\ud800', '\udc00', '\\', 'u', '0', 'd', '8', '"', '\n', 'é'),
    });
    fc.assert(
      fc.property(fc.array(text), (texts) => {
        const expected = texts.map((one) => one.toWellFormed().replaceAll('\0', '\ufffd'));
        expect(JSON.parse(storableJson(texts))).toEqual(expected);
      }),
    );
  });
});

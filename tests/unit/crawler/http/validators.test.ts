import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conditionalHeaders, validatorsOf } from '#src/crawler/http/validators.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const date = new Date(now).toUTCString();
const earlier = new Date(now - 60_000).toUTCString();

describe('validators of a response', () => {
  it.each([
    ['both', { etag: '"a"', 'last-modified': earlier, date }, { etag: '"a"', lastModified: earlier }],
    ['a weak tag', { etag: 'W/"a b"' }, undefined],
    ['a weak tag without a space', { etag: 'W/"a-b"' }, { etag: 'W/"a-b"' }],
    ['an empty tag', { etag: '""' }, { etag: '""' }],
    ['a tag without quotes', { etag: 'a' }, undefined],
    ['a tag that is too long', { etag: `"${'a'.repeat(2_000)}"` }, undefined],
    ['a date without the time of the answer', { 'last-modified': earlier }, { lastModified: earlier }],
    ['a date in the second of the answer', { 'last-modified': date, date }, undefined],
    ['a date in the second of the answer, and a tag', { etag: '"a"', 'last-modified': date, date }, { etag: '"a"' }],
    ['a date in another form', { 'last-modified': '2026-11-22', date }, undefined],
    ['a day that does not exist', { 'last-modified': 'Sun, 99 Nov 2026 12:00:00 GMT', date }, undefined],
    ['nothing', {}, undefined],
  ])('are taken from %s', (_, headers, expected) => {
    expect(validatorsOf(headers, now)).toEqual(expected);
  });

  it('can be sent back as they are, whatever they were', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 300 }).map((code) => String.fromCharCode(code)) }),
        (text) => {
          const headers = conditionalHeaders(validatorsOf({ etag: `"${text}"`, 'last-modified': text }, now));
          for (const value of Object.values(headers)) expect(value).toMatch(/^[\x21-\x7e\x80-\xff ]*$/);
        },
      ),
    );
  });
});

it('conditions are none where nothing is known', () => {
  expect(conditionalHeaders(undefined)).toEqual({});
  expect(conditionalHeaders({ etag: '"a"', lastModified: earlier })).toEqual({
    'if-none-match': '"a"',
    'if-modified-since': earlier,
  });
});

// Headers that servers send more than once.
import { expect, it } from 'vitest';
import { responseHeaders } from '#src/crawler/http/response-headers.ts';

it('are one text each where one value counts, and lists elsewhere', () => {
  const received = JSON.parse(`{
    "content-type": ["text/html", "text/html; charset=utf-8"],
    "content-encoding": ["gzip", "br"],
    "retry-after": ["3", "5"],
    "location": ["/a", "/b"],
    "etag": "x",
    "x-robots-tag": ["noindex", "googlebot: nofollow"],
    "set-cookie": ["a=1", "b=2"]
  }`);
  expect(responseHeaders(received)).toEqual({
    'content-type': 'text/html, text/html; charset=utf-8',
    'content-encoding': 'gzip, br',
    'retry-after': '3',
    location: '/a',
    etag: 'x',
    'x-robots-tag': ['noindex', 'googlebot: nofollow'],
  });
});

// Requests for what pages lead to.
import { expect, it } from 'vitest';
import { inPlaceOf, requestFor } from '#src/crawler/page/requests.ts';
import type { Claim } from '#src/gateway/protocol/worker-store.ts';

it('are no deeper than the frontier can count: a chain of next pages may be longer than that', () => {
  const url = new URL('https://site.example/40000');
  expect(requestFor('s', url, 32_767).depth).toBe(32_767);
  expect(requestFor('s', url, 32_768).depth).toBe(32_767);
});

it('in place of a page are as deep as it, and the same page of its listing', () => {
  const claim = { source: 's', url: 'https://site.example/a', depth: 4, listingPage: 3 } as Claim;
  expect(inPlaceOf(claim, new URL('https://site.example/b'), [claim.url])).toEqual({
    ...{ source: 's', url: 'https://site.example/b', host: 'site.example', depth: 4, listingPage: 3 },
    redirects: ['https://site.example/a'],
  });
});

// What the HTTP renderer takes for a failure of the page, and what it does not.
import { expect, it } from 'vitest';
import { createHttpRenderer } from '#src/crawler/http/http-renderer.ts';
import { HostPausedError } from '#src/crawler/network/host-pacer.ts';
import { StoreError } from '#src/gateway/protocol/store-error.ts';

const never = new AbortController().signal;
const plan = { fields: [], links: [], signs: [], screenshot: null } as never;

function renderingWith(error: Error) {
  const renderer = createHttpRenderer({
    get: () => Promise.reject(error),
    close: async () => {},
  });
  return renderer.render(new URL('https://site.example/'), plan, 60_000, never);
}

it('reports a connection that fails as a failure of the page', async () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  await expect(renderingWith(refused)).resolves.toMatchObject({
    type: 'failed',
    failure: { cause: 'ConnectionError', retryable: true },
  });
});

// Both come from the wait for a place at the host, within the request.
it.each([new StoreError('Unavailable', 'the database is away'), new HostPausedError('not for an hour')])(
  'rejects with %s: it says nothing of the page',
  async (error) => {
    await expect(renderingWith(error)).rejects.toBe(error);
  },
);

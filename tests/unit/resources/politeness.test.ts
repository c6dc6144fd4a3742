import { expect, test } from 'vitest';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';
import { hostSpacingMs } from '#src/resources/politeness.ts';

test.each([
  ['the rate alone', { requestsPerSecond: 4 }, 250],
  ['a delay that is slower than the rate', { requestsPerSecond: 4, delay: '1s' }, 1_000],
  ['a delay that is faster than the rate', { requestsPerSecond: 4, delay: '100ms' }, 250],
  ['a delay of more than a day', { delay: '900h' }, 86_400_000],
])('spaces documents of a host by %s', (_, politeness, spacingMs) => {
  const spec = crawlRunSpec.parse({ sources: [{ name: 'shop', urls: ['https://shop.test/'] }], politeness });
  expect(hostSpacingMs(spec.politeness)).toBe(spacingMs);
});

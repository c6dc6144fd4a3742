import fc from 'fast-check';
import { expect, test } from 'vitest';
import { childName, runName } from '#src/resources/names.ts';

test('a run is named after its schedule and the unix seconds of its slot', () => {
  expect(runName('shop', new Date('2026-01-01T00:00:00Z'))).toBe('shop-1767225600');
});

test('a short name without dots is kept', () => {
  expect(childName('shop-1767225600')).toBe('shop-1767225600');
});

test('any CrawlRun name gives a DNS label of at most 58 characters, and different names different ones', () => {
  const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$/);
  const subdomain = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) =>
    labels
      .join('.')
      .slice(0, 253)
      .replace(/[-.]+$/, ''),
  );
  fc.assert(
    fc.property(subdomain, subdomain, (a, b) => {
      expect(childName(a)).toMatch(/^[a-z0-9]([-a-z0-9]{0,56}[a-z0-9])?$/);
      expect(childName(a) === childName(b)).toBe(a === b);
    }),
  );
});

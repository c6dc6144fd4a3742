// Named tokens as text, and what their roles give.
import { describe, expect, test } from 'vitest';
import { grants, rightsOf } from '#src/server/auth/token-roles.ts';
import { isSecretOf, newToken, parseToken } from '#src/server/auth/token-text.ts';

test('a token holds its name and a secret that its hash knows, and no other', () => {
  const { token, hash } = newToken('shop-sync');
  const { name, secret = '' } = parseToken(token) ?? {};
  expect(name).toBe('shop-sync');
  expect(isSecretOf(hash, secret)).toBe(true);
  expect(isSecretOf(hash, parseToken(newToken('shop-sync').token)?.secret ?? '')).toBe(false);
  expect(isSecretOf('', secret)).toBe(false);
  expect(newToken('a').token).not.toBe(newToken('a').token);
});

test.each([
  'eyJhbGciOiJSUzI1NiJ9.e30.c2ln',
  'trawler_a_short',
  `trawler_A_${'x'.repeat(43)}`,
  `trawler__${'x'.repeat(43)}`,
  `trawler_a_${'x'.repeat(44)}`,
  `trawler_a_b_${'x'.repeat(43)}`,
  `trawler_a_${'x'.repeat(42)}\n`,
])('%j is no named token', (text) => {
  expect(parseToken(text)).toBeUndefined();
});

describe('a grant', () => {
  const red = { role: 'viewer', namespaces: ['red'] } as const;
  test.each([
    ['in its namespace', red, { verb: 'get', resource: 'crawlruns', namespace: 'red' }, true],
    ['of one object', red, { verb: 'get', resource: 'crawlruns', namespace: 'red', name: 'a' }, true],
    ['in another', red, { verb: 'get', resource: 'crawlruns', namespace: 'blue' }, false],
    ['in all', red, { verb: 'list', resource: 'crawlruns' }, false],
    ['of another verb', red, { verb: 'pause', resource: 'crawlruns', namespace: 'red' }, false],
    ['of a right that no role has', { role: 'editor' }, { verb: 'create', resource: 'tokens' }, false],
    ['of everywhere, in one', { role: 'viewer' }, { verb: 'get', resource: 'crawlruns', namespace: 'red' }, true],
    ['of everywhere, in all', { role: 'viewer' }, { verb: 'list', resource: 'crawlschedules' }, true],
  ] as const)('%s', (_what, grant, right, isGranted) => {
    expect(grants(grant, right)).toBe(isGranted);
  });

  test('gives just the rights that are asked of who gives it', () => {
    for (const role of ['viewer', 'operator', 'editor'] as const) {
      const rights = rightsOf({ role, namespaces: ['red', 'blue'] });
      expect(rights.every((right) => grants({ role, namespaces: ['red', 'blue'] }, right))).toBe(true);
      expect(rights.filter(({ namespace }) => namespace === 'blue')).toHaveLength(rights.length / 2);
    }
    expect(rightsOf({ role: 'viewer' }).every(({ namespace }) => namespace === undefined)).toBe(true);
  });
});

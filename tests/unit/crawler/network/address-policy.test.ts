// Which addresses may be connected to.
import { describe, expect, it } from 'vitest';
import { createAddressPolicy, parseAllowedAddresses } from '#src/crawler/network/address-policy.ts';
import { FORBIDDEN_ADDRESSES, PUBLIC_ADDRESSES } from './ssrf-corpus.ts';

const strict = createAddressPolicy([]);
const allowing = (entries: string) => createAddressPolicy(parseAllowedAddresses(entries));

describe('address policy', () => {
  it.each(FORBIDDEN_ADDRESSES)('refuses %j', (address) => {
    expect(strict.allows('innocent.example', 80, address)).toBe(false);
  });

  it.each(PUBLIC_ADDRESSES)('allows %s', (address) => {
    expect(strict.allows('innocent.example', 80, address)).toBe(true);
  });
});

describe('allowed addresses', () => {
  it.each([
    ['web.demo.svc:80', 'web.demo.svc', 80, '10.96.0.7', true],
    ['WEB.demo.svc:80', 'web.demo.svc', 80, '10.96.0.7', true],
    ['web.demo.svc:80', 'web.demo.svc', 81, '10.96.0.7', false],
    ['web.demo.svc:80', 'web.demo.svc.evil.example', 80, '10.96.0.7', false],
    ['web.demo.svc:80', 'other.demo.svc', 80, '10.96.0.7', false],
    ['10.96.0.0/12:80', 'any.example', 80, '10.96.0.7', true],
    ['10.96.0.0/12:80', 'any.example', 80, '::ffff:10.96.0.7', true],
    ['10.96.0.0/12:80', 'any.example', 80, '10.112.0.1', false],
    ['10.96.0.0/12:80', 'any.example', 443, '10.96.0.7', false],
    ['127.0.0.1:8080', '127.0.0.1', 8080, '127.0.0.1', true],
    ['127.0.0.1:8080', '127.0.0.1', 8080, '127.0.0.2', false],
    ['[::1]:8080', '::1', 8080, '::1', true],
    ['[fd00::/8]:443, a.example:1', 'b.example', 443, 'fd12::1', true],
    ['[fd00::/8]:443', 'b.example', 443, '10.0.0.1', false],
  ])('%s for %s on %i at %s: %s', (entries, hostname, port, address, expected) => {
    expect(allowing(entries).allows(hostname, port, address)).toBe(expected);
  });

  it('reads none from an empty text', () => {
    expect(parseAllowedAddresses(' , ')).toEqual([]);
  });

  it.each([
    'web',
    'web:',
    'web:0',
    'web:70000',
    '::1:80',
    'a b:80',
    'http://web:80',
    '[::1]',
    '10.0.0.0/33:80',
    '*:80',
  ])('refuses the entry %j and quotes it', (entry) => {
    expect(() => parseAllowedAddresses(`good.example:80,${entry}`)).toThrow(RangeError);
    expect(() => parseAllowedAddresses(entry)).toThrow(`"${entry}"`);
  });
});

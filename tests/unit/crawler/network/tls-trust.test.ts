// Files of certificates as people make them.
import { expect, it } from 'vitest';
import { parseCertificates } from '#src/crawler/network/tls-trust.ts';
import { createCertificate } from '../../../support/certificate.ts';

const [first, second] = [createCertificate(['a']).certificate, createCertificate(['b']).certificate];

it('hold one certificate or more, with whatever is around them', () => {
  expect(parseCertificates(first)).toEqual([first.trim()]);
  expect(parseCertificates(`# my authority\r\n${first}\n text\n${second}`)).toEqual([first.trim(), second.trim()]);
});

it.each([
  ['nothing', ''],
  ['a key', createCertificate().key],
  ['a certificate that is cut off', first.slice(0, 200)],
  ['what is none', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'],
])('are refused when they hold %s', (_, pem) => {
  expect(() => parseCertificates(pem)).toThrow(/certificate/);
});

// What is done about the gateway's certificates, as a table.
import { describe, expect, test } from 'vitest';
import {
  type CertificateStep,
  certificateStep,
  type HeldCertificates,
} from '#src/controllers/gateway/certificate-step.ts';

const DAY_MS = 86_400_000;
const NAMES = ['gateway.trawler.svc', 'localhost'];
const SERVING_MS = 90 * DAY_MS;
/** Days since some day on which everything begins. */
const day = (days: number) => new Date(Date.UTC(2026, 0, 1) + days * DAY_MS);
const between = (from: number, to: number) => ({ notBefore: day(from), notAfter: day(to) });
const authority = (from: number, canSign = true) => ({ ...between(from, from + 3_650), canSign });
const serving = (from: number, signedBy: number | undefined = 0, names = NAMES) => ({
  ...between(from, from + 90),
  names,
  signedBy,
});

const nothing: HeldCertificates = { authorities: [] };
const fresh: HeldCertificates = { authorities: [authority(0)], serving: serving(0) };
const twoAuthorities = [authority(0), authority(2_500)];

const table: readonly [what: string, held: HeldCertificates, at: number, step: CertificateStep][] = [
  ['nothing is there', nothing, 0, { type: 'AddAuthority' }],
  ['a certificate without its authority', { authorities: [], serving: serving(0) }, 1, { type: 'AddAuthority' }],
  ['only an authority', { authorities: [authority(0)] }, 0, { type: 'RenewServing', authority: 0 }],
  ['all is new', fresh, 0, { type: 'Keep', until: day(60) }],
  ['the certificate is young', fresh, 59.9, { type: 'Keep', until: day(60) }],
  ['two thirds of its life are over', fresh, 60, { type: 'RenewServing', authority: 0 }],
  ['the certificate has run out', fresh, 200, { type: 'RenewServing', authority: 0 }],
  [
    'the clock was ahead when it was made',
    { ...fresh, serving: serving(5) },
    1,
    { type: 'RenewServing', authority: 0 },
  ],
  [
    'the Service has another name',
    { ...fresh, serving: serving(0, 0, ['other.trawler.svc', 'localhost']) },
    1,
    { type: 'RenewServing', authority: 0 },
  ],
  [
    'the Service has one name more',
    { ...fresh, serving: serving(0, 0, ['localhost']) },
    1,
    { type: 'RenewServing', authority: 0 },
  ],
  [
    'an unknown authority has signed it',
    { authorities: [authority(0)], serving: { ...serving(0), signedBy: undefined } },
    1,
    { type: 'RenewServing', authority: 0 },
  ],
  [
    'two thirds of the life of the authority are over',
    { authorities: [authority(0)], serving: serving(2_430) },
    2_434,
    { type: 'AddAuthority' },
  ],
  [
    'the new authority is trusted and signs nothing',
    { authorities: twoAuthorities, serving: serving(2_440) },
    2_500,
    { type: 'RenewServing', authority: 0 },
  ],
  [
    'the old authority still outlives what it signs',
    { authorities: twoAuthorities, serving: serving(3_490) },
    3_560,
    { type: 'RenewServing', authority: 0 },
  ],
  [
    'the old authority ends before what it would sign',
    { authorities: twoAuthorities, serving: serving(3_500) },
    3_561,
    { type: 'RenewServing', authority: 1 },
  ],
  [
    'the old authority is needed by nobody, and trusted until its end',
    { authorities: twoAuthorities, serving: serving(3_600, 1) },
    3_601,
    { type: 'Keep', until: day(3_650) },
  ],
  [
    'the key of the authority is lost',
    { authorities: [authority(0, false)], serving: serving(0) },
    1,
    { type: 'AddAuthority' },
  ],
  [
    'what an authority without its key has signed is served on',
    { authorities: [authority(0, false), authority(1)], serving: serving(0) },
    2,
    { type: 'Keep', until: day(60) },
  ],
  [
    'another authority signs what comes after it',
    { authorities: [authority(0, false), authority(1)], serving: serving(0) },
    60,
    { type: 'RenewServing', authority: 1 },
  ],
  [
    'an authority without its key, whose certificate is not served any more',
    { authorities: [authority(0, false), authority(1)], serving: serving(60, 1) },
    61,
    { type: 'DropAuthorities', kept: [1] },
  ],
  [
    'an authority without its key, whose certificate has run out',
    { authorities: [authority(0, false), authority(1)], serving: serving(0) },
    91,
    { type: 'DropAuthorities', kept: [1] },
  ],
  [
    'the old authority has ended',
    { authorities: twoAuthorities, serving: serving(3_600, 1) },
    3_650,
    { type: 'DropAuthorities', kept: [1] },
  ],
  [
    'an authority that is not valid yet',
    { authorities: [authority(5)], serving: serving(0) },
    1,
    { type: 'DropAuthorities', kept: [] },
  ],
];

describe('certificates', () => {
  test.each(table)('%s', (_what, held, at, step) => {
    expect(certificateStep(held, NAMES, SERVING_MS, day(at))).toEqual(step);
  });
});

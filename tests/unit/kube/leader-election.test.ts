// When a candidate may take a lease, judged by what it saw and when.
import { expect, test } from 'vitest';
import type { Lease } from '#src/kube/builtin-types.ts';
import { mayTake, type ObservedLease, observe } from '#src/kube/leader-election.ts';
import { microTime } from '#src/kube/time.ts';

const DURATION = 15_000;

function lease(spec: Lease['spec']): Lease {
  const metadata = { name: 'leader', uid: 'u', resourceVersion: '1' };
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, ...(spec ? { spec } : {}) };
}

const held = (renewTime: string) => lease({ holderIdentity: 'other', leaseDurationSeconds: 15, renewTime });

function watch(looks: [number, Lease | undefined][]): ObservedLease {
  let observed: ObservedLease | undefined;
  for (const [now, seen] of looks) observed = observe(observed, seen, now);
  if (observed === undefined) throw new Error('no looks');
  return observed;
}

test('a lease that nobody holds may be taken at once', () => {
  expect(mayTake(watch([[0, undefined]]), 'me', 0, DURATION)).toBe(true);
  expect(mayTake(watch([[0, lease({ leaseDurationSeconds: 1 })]]), 'me', 0, DURATION)).toBe(true);
});

test('a held lease is waited for from the first look on, whatever times are in it', () => {
  const longAgo = held('1999-01-01T00:00:00.000000Z');
  const looks: [number, Lease][] = [
    [100, longAgo],
    [2_100, longAgo],
  ];
  expect(mayTake(watch(looks), 'me', 15_099, DURATION)).toBe(false);
  expect(mayTake(watch(looks), 'me', 15_100, DURATION)).toBe(true);
});

test('each renewal starts the waiting again', () => {
  const observed = watch([
    [0, held('2026-01-01T00:00:00.000000Z')],
    [14_000, held('2026-01-01T00:00:02.000000Z')],
  ]);
  expect(mayTake(observed, 'me', 28_999, DURATION)).toBe(false);
  expect(mayTake(observed, 'me', 29_000, DURATION)).toBe(true);
});

test('a longer promise of the holder is believed, a shorter one is not', () => {
  const long = watch([[0, lease({ holderIdentity: 'other', leaseDurationSeconds: 60 })]]);
  expect(mayTake(long, 'me', 59_999, DURATION)).toBe(false);
  expect(mayTake(long, 'me', 60_000, DURATION)).toBe(true);
  const short = watch([[0, lease({ holderIdentity: 'other', leaseDurationSeconds: 1 })]]);
  expect(mayTake(short, 'me', 14_999, DURATION)).toBe(false);
});

test('our own lease is ours', () => {
  expect(mayTake(watch([[0, lease({ holderIdentity: 'me' })]]), 'me', 0, DURATION)).toBe(true);
});

test('a MicroTime has six fractional digits', () => {
  expect(microTime(new Date('2026-01-02T03:04:05.006Z'))).toBe('2026-01-02T03:04:05.006000Z');
});

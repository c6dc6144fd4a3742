// Which claims a run's pods can write to: by their access modes and the number of workers.
import { describe, expect, test } from 'vitest';
import { volumeClaimTrouble } from '#src/controllers/run/volume-claim.ts';
import type { PersistentVolumeClaim } from '#src/kube/builtin-types.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];
const spec = (workers: number) => crawlRunSpec.parse({ sources, workers, output: { volumeClaim: 'results' } });
const claim = (...accessModes: string[]) =>
  ({ metadata: { name: 'results' }, spec: { accessModes } }) as PersistentVolumeClaim;

describe.each(['ReadWriteOnce', 'ReadWriteOncePod'])('a claim with %s', (mode) => {
  test('is for one worker', () => {
    expect(volumeClaimTrouble(spec(1), claim(mode))).toBeUndefined();
  });

  test('is refused to several, with what to do', () => {
    const trouble = volumeClaimTrouble(spec(2), claim(mode));
    expect(trouble?.reason).toBe('VolumeClaimUnsuitable');
    expect(trouble?.message).toContain('"results"');
    expect(trouble?.message).toContain(mode);
    expect(trouble?.message).toContain('2 workers');
    expect(trouble?.message).toContain('use one worker, or a claim with ReadWriteMany');
  });
});

test('one with ReadWriteMany is for any number', () => {
  expect(volumeClaimTrouble(spec(100), claim('ReadWriteOnce', 'ReadWriteMany'))).toBeUndefined();
});

test('one that can only be read is for nobody', () => {
  expect(volumeClaimTrouble(spec(1), claim('ReadOnlyMany'))?.reason).toBe('VolumeClaimUnsuitable');
});

test('one that is not there is waited for', () => {
  expect(volumeClaimTrouble(spec(1), undefined)?.reason).toBe('VolumeClaimMissing');
});

test('a run without an output needs none', () => {
  expect(volumeClaimTrouble(crawlRunSpec.parse({ sources, workers: 2 }), undefined)).toBeUndefined();
});

// What a run's pods are given: what they may do, each volume that the spec asks for where the worker looks for it, and no
// other.
import { describe, expect, test } from 'vitest';
import { crawlJob, outputJob } from '#src/controllers/run/crawl-job.ts';
import type { CrawlRun } from '#src/custom-resources/types.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';
import { JOB_SETTINGS } from '../../../support/job-settings.ts';

function podOf(spec: object, job = crawlJob) {
  const whole = { sources: [{ name: 'shop', urls: ['http://shop.example/'] }], ...spec };
  const metadata = { name: 'shop-1', namespace: 'default', uid: 'run-uid', resourceVersion: '1' };
  const run = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata, spec: whole } as CrawlRun;
  const pod = job(run, crawlRunSpec.parse(whole), JOB_SETTINGS).spec?.template.spec;
  if (!pod) throw new Error('the Job has no pod');
  return pod;
}

test.each([
  { browser: { sandbox: true }, fetch: { render: 'Browser' } },
  { browser: { sandbox: true }, fetch: { render: 'Auto' } },
])(
  'the container of %j has the profile that Chromium needs for its sandbox, and is restricted all the same',
  (spec) => {
    const pod = podOf(spec);
    expect(pod.containers[0]?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'Localhost', localhostProfile: 'trawler/chromium.json' },
    });
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
  },
);

test.each([{ fetch: { render: 'Browser' } }, { browser: { sandbox: true }, fetch: { render: 'HTTP' } }])(
  'the container of %j has the profile of its runtime',
  (spec) => {
    const pod = podOf(spec);
    expect(pod.containers[0]?.securityContext?.seccompProfile).toBeUndefined();
    expect(pod.securityContext?.seccompProfile).toEqual({ type: 'RuntimeDefault' });
  },
);

const CONFIG_MAP = { configMap: { name: 'extractors', key: 'shop.mjs' } };
const LIST = { configMap: { name: 'urls', key: 'shop.txt' } };

function mountsOf(more: Partial<CrawlRunSpecInput>, job?: typeof crawlJob) {
  const pod = podOf(more, job);
  const volumes = new Map(pod.volumes?.map((volume) => [volume.name, volume]));
  const mounts = new Map(pod.containers[0]?.volumeMounts?.map((mount) => [mount.name, mount]));
  return { volumes, mounts };
}

const ALWAYS = ['credentials', 'tmp', 'shm'];

describe.each([
  ['of the crawl', crawlJob],
  ['that writes the output', outputJob],
])('a pod %s', (_name, job) => {
  test('has nothing mounted but what each run needs', () => {
    const { volumes, mounts } = mountsOf({}, job);
    expect([...volumes.keys()]).toEqual(ALWAYS);
    expect([...mounts.keys()]).toEqual(ALWAYS);
  });

  test('gets the module of a custom extractor where the worker looks for it, there or not', () => {
    const { volumes, mounts } = mountsOf({ extract: { module: CONFIG_MAP } }, job);
    expect(volumes.get('extractor')?.configMap).toEqual({
      name: 'extractors',
      items: [{ key: 'shop.mjs', path: 'shop.mjs' }],
      optional: true,
    });
    expect(mounts.get('extractor')).toEqual({
      name: 'extractor',
      mountPath: '/run/trawler-extractor',
      readOnly: true,
    });
    expect(mountsOf({ extract: { module: { path: '/app/a.mjs' } } }, job).volumes.has('extractor')).toBe(false);
  });

  test('gets the list of each source that is crawled under its name, there or not', () => {
    const sources = [
      { name: 'shop', urlsFrom: LIST },
      { name: 'b.example', urlsFrom: { configMap: { name: 'urls', key: 'b' } } },
      { name: 'off', active: false, urlsFrom: LIST },
      { name: 'plain', urls: ['http://shop.example/'] },
    ];
    const { volumes, mounts } = mountsOf({ sources }, job);
    expect(volumes.get('url-lists')?.projected?.sources).toEqual([
      { configMap: { name: 'urls', items: [{ key: 'shop.txt', path: 'shop' }], optional: true } },
      { configMap: { name: 'urls', items: [{ key: 'b', path: 'b.example' }], optional: true } },
    ]);
    expect(mounts.get('url-lists')).toEqual({
      name: 'url-lists',
      mountPath: '/run/trawler-url-lists',
      readOnly: true,
    });
  });

  test('names every volume that it mounts once', () => {
    const everything: Partial<CrawlRunSpecInput> = {
      sources: [{ name: 'shop', urlsFrom: LIST }],
      extract: { module: CONFIG_MAP },
      fetch: { headersSecretRef: { name: 'headers' } },
      proxy: { urlSecretRef: { name: 'proxy' } },
      output: { volumeClaim: 'results' },
    };
    const { volumes, mounts } = mountsOf(everything, job);
    expect([...mounts.keys()].sort()).toEqual([...volumes.keys()].sort());
    expect(volumes.size).toBe(ALWAYS.length + 5);
    expect(new Set([...mounts.values()].map((mount) => mount.mountPath)).size).toBe(mounts.size);
  });
});

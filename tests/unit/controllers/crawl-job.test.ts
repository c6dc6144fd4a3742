import { expect, test } from 'vitest';
import { crawlJob, type JobSettings } from '#src/controllers/crawl-job.ts';
import type { CrawlRun } from '#src/kube/custom-types.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

const settings: JobSettings = {
  crawlerImage: 'registry.example/crawler:1',
  imagePullPolicy: 'IfNotPresent',
  databaseSchema: 'trawler',
  allowedAddresses: [],
  allowedProxies: [],
  browserSeccompProfile: 'trawler/chromium.json',
  logLevel: 'info',
};

function podOf(spec: object) {
  const whole = { sources: [{ name: 'shop', urls: ['http://shop.example/'] }], ...spec };
  const metadata = { name: 'shop-1', namespace: 'default', uid: 'run-uid', resourceVersion: '1' };
  const run = { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata, spec: whole } as CrawlRun;
  const pod = crawlJob(run, crawlRunSpec.parse(whole), settings).spec?.template.spec;
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

// What operators of tests, and tests of Jobs, have as the operator's configuration.
import type { JobSettings } from '../../src/controllers/run/crawl-job.ts';
import { DEFAULT_POD_FIELDS } from '../../src/resources/pod-template.ts';

export const JOB_SETTINGS: JobSettings = {
  crawlerImage: 'registry.example/crawler:1',
  imagePullPolicy: 'IfNotPresent',
  gatewayUrl: 'https://trawler-gateway.trawler-system.svc:8443',
  allowedAddresses: [],
  allowedProxies: [],
  browserSeccompProfile: 'trawler/chromium.json',
  logLevel: 'info',
  tracedPages: 0.1,
  crawlerUser: 65_532,
  allowedPodFields: DEFAULT_POD_FIELDS,
};

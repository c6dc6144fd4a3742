// What operators of tests, and tests of Jobs, have as the operator's configuration.
import type { JobSettings } from '../../src/controllers/run/crawl-job.ts';

export const JOB_SETTINGS: JobSettings = {
  crawlerImage: 'registry.example/crawler:1',
  imagePullPolicy: 'IfNotPresent',
  databaseSchema: 'trawler',
  allowedAddresses: [],
  allowedProxies: [],
  browserSeccompProfile: 'trawler/chromium.json',
  logLevel: 'info',
};

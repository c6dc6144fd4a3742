// Trawler's own resources as the API server sends them.
import type { CrawlRunSpecInput, CrawlRunStatus } from '../resources/crawl-run.ts';
import type { CrawlScheduleSpecInput, CrawlScheduleStatus } from '../resources/crawl-schedule.ts';
import { GROUP, VERSION } from '../resources/group.ts';
import type { KubeObject, ResourceType } from './kube-object.ts';

export type CrawlRun = KubeObject & { spec: CrawlRunSpecInput; status?: CrawlRunStatus };
export type CrawlSchedule = KubeObject & { spec: CrawlScheduleSpecInput; status?: CrawlScheduleStatus };

export const CRAWL_RUNS: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'crawlruns',
  kind: 'CrawlRun',
  namespaced: true,
};

export const CRAWL_SCHEDULES: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'crawlschedules',
  kind: 'CrawlSchedule',
  namespaced: true,
};

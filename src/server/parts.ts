// What every room of routes is given.
import type { CrawlRun, CrawlSchedule } from '../custom-resources/types.ts';
import type { ResourceClient } from '../kube/resource-client.ts';
import type { Audit } from './audit.ts';
import type { Access } from './auth/access.ts';

export type ServerParts = {
  readonly schedules: ResourceClient<CrawlSchedule>;
  readonly runs: ResourceClient<CrawlRun>;
  readonly access: Access;
  readonly audit: Audit;
  readonly now: () => Date;
};

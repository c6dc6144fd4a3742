// What a name stands for where both a run and a schedule may be meant: `shop`, or `schedule/shop` and `run/shop` to be exact.
import { CRAWL_RUNS, CRAWL_SCHEDULES, type CrawlRun, type CrawlSchedule } from '../../custom-resources/types.ts';
import { isForbidden, KubeError } from '../../kube/kube-error.ts';
import { type Session, UsageError } from './session.ts';

export type NamedObject =
  | { readonly kind: 'run'; readonly run: CrawlRun }
  | { readonly kind: 'schedule'; readonly schedule: CrawlSchedule };

const WORDS = {
  run: ['run', 'crun', 'crawlrun', 'crawlruns'],
  schedule: ['schedule', 'csched', 'crawlschedule', 'crawlschedules'],
};

/** Who may not read one of the two is told of the other. Rejects with a UsageError where there is none, or both. */
export async function findNamed({ api, namespace, signal }: Session, text: string): Promise<NamedObject> {
  const [, word, name = ''] = /^(?:([a-z]+)\/)?(.+)$/.exec(text) ?? [];
  const wants = (kind: keyof typeof WORDS) => word === undefined || WORDS[kind].includes(word);
  if (!wants('run') && !wants('schedule')) throw new UsageError(`${text}: write run/${name} or schedule/${name}`);
  const ref = { namespace, name };
  const [run, schedule] = await Promise.all([
    wants('run') ? orRefusal(api.resource<CrawlRun>(CRAWL_RUNS).get(ref, { signal })) : undefined,
    wants('schedule') ? orRefusal(api.resource<CrawlSchedule>(CRAWL_SCHEDULES).get(ref, { signal })) : undefined,
  ]);
  const [foundRun, foundSchedule] = [isFound(run) ? run : undefined, isFound(schedule) ? schedule : undefined];
  if (foundRun && foundSchedule) throw new UsageError(`there are both: write run/${name} or schedule/${name}`);
  if (foundRun) return { kind: 'run', run: foundRun };
  if (foundSchedule) return { kind: 'schedule', schedule: foundSchedule };
  const refusal = [run, schedule].find((one) => one instanceof KubeError);
  if (refusal !== undefined) throw refusal;
  const kinds = word === undefined ? 'no CrawlRun and no CrawlSchedule' : `no ${word}`;
  throw new UsageError(`there is ${kinds} "${name}" in namespace ${namespace}`);
}

function orRefusal<T>(read: Promise<T>): Promise<T | KubeError> {
  return read.catch((error: unknown) => {
    if (error instanceof KubeError && isForbidden(error)) return error;
    throw error;
  });
}

function isFound<T>(read: T | KubeError | undefined): read is T {
  return read !== undefined && !(read instanceof KubeError);
}

// `kubectl trawler describe`: all of a run or a schedule on one page, by a kubeconfig alone.
import type { Command } from 'commander';
import { explainRun } from '../../custom-resources/explain-run.ts';
import { readRunEvidence } from '../../custom-resources/run-evidence.ts';
import { CRAWL_RUNS, type CrawlRun, type CrawlSchedule } from '../../custom-resources/types.ts';
import { CLUSTER_EVENTS, type ClusterEvent } from '../../kube/builtin-types.ts';
import { isForbidden, KubeError } from '../../kube/kube-error.ts';
import { runLines, scheduleLines } from './description.ts';
import { findNamed } from './named-object.ts';
import { globalOptions, type Session, withSession } from './session.ts';

export function addDescribe(program: Command): void {
  program
    .command('describe <run-or-schedule>')
    .description('how a run or a schedule stands, on one page; run/NAME and schedule/NAME are exact')
    .action(async (name: string, _, command: Command) => {
      const lines = await withSession(globalOptions(command), async (session) => {
        const found = await findNamed(session, name);
        return found.kind === 'run' ? describeRun(session, found.run) : describeSchedule(session, found.schedule);
      });
      console.log(lines.join('\n'));
    });
}

async function describeRun({ api, signal }: Session, run: CrawlRun): Promise<string[]> {
  return runLines(run, explainRun(await readRunEvidence(api, run, signal), new Date()));
}

/** What may not be read is named, and the rest is shown all the same. */
async function describeSchedule({ api, signal }: Session, schedule: CrawlSchedule): Promise<string[]> {
  const { namespace, name, uid } = schedule.metadata;
  const unread: string[] = [];
  async function listed<T>(list: Promise<{ readonly items: readonly T[] }>): Promise<readonly T[]> {
    try {
      return (await list).items;
    } catch (error) {
      if (!(error instanceof KubeError) || !isForbidden(error)) throw error;
      unread.push(error.message);
      return [];
    }
  }
  const ofSchedule = { namespace, fieldSelector: `spec.scheduleName=${name}`, signal };
  const about = { namespace, fieldSelector: `involvedObject.uid=${uid}`, signal };
  const [runs, events] = await Promise.all([
    listed(api.resource<CrawlRun>(CRAWL_RUNS).list(ofSchedule)),
    listed(api.resource<ClusterEvent>(CLUSTER_EVENTS).list(about)),
  ]);
  return scheduleLines(schedule, runs, events, unread);
}

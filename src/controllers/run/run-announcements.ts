// Events and log lines about a run that is under way or has ended, each once.
import type { CrawlRun } from '../../custom-resources/types.ts';
import { findCondition } from '../../kube/conditions.ts';
import type { EventRecorder } from '../../kube/events.ts';
import type { RunSnapshot, SourceSnapshot } from '../../store/operator-store.ts';
import { LOG_EVENTS } from '../../telemetry/log-events.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Obstacle } from './obstacle.ts';
import { logFields } from './run-log-fields.ts';
import type { RunEnd } from './run-status.ts';
import { lastStall, stallWords } from './stall.ts';

export function createAnnouncements({ events, logger }: { readonly events: EventRecorder; readonly logger: Logger }) {
  /** Once for each host of a run, and once for each change of its route: the status remembers what was announced. */
  function announceBlocks(run: CrawlRun, { blockedHosts }: RunSnapshot): void {
    const announced = new Map(run.status?.blockedHosts?.map((one) => [one.host, one]));
    for (const { host, evidence, refusals, viaProxy } of blockedHosts) {
      const before = announced.get(host);
      if (refusals > 0 && !before?.refusals) {
        const message = `${host} is requested more slowly: ${evidence}`;
        events.record(run, { type: 'Warning', reason: 'HostBlocked', action: 'Crawl', message });
        logger.warn({ ...logFields(run), host, evidence }, LOG_EVENTS.crawlBlocked.message);
      }
      if (viaProxy === (before?.viaProxy ?? false)) continue;
      const [reason, message] = viaProxy
        ? ['HostByProxy', `${host} is requested through the proxy: ${evidence}`]
        : ['HostDirect', `${host} is requested directly again: the cool-down of the proxy is over`];
      events.record(run, { type: viaProxy ? 'Warning' : 'Normal', reason, action: 'Crawl', message });
      logger.info({ ...logFields(run), host, viaProxy }, LOG_EVENTS.proxySwitched.message);
    }
  }

  /** Once for each kind of links of a run, as above. */
  function announceTraps(run: CrawlRun, { spiderTraps }: RunSnapshot): void {
    const announced = new Set(run.status?.spiderTraps?.map((trap) => trap.pattern));
    for (const { kind, pattern, url } of spiderTraps) {
      if (announced.has(pattern)) continue;
      const message = `links like ${pattern} look as if the site made them up without end (${kind}) and are not followed, such as ${url}`;
      events.record(run, { type: 'Warning', reason: 'SpiderTrap', action: 'Crawl', message });
      logger.warn({ ...logFields(run), kind, pattern, url }, 'spider trap');
    }
  }

  /** Once for each worker that hung: the status remembers the last one. */
  function announceStall(run: CrawlRun, snapshot: RunSnapshot): void {
    const worker = lastStall(snapshot);
    if (worker === undefined) return;
    const message = stallWords(worker);
    if (findCondition(run.status?.conditions, 'Stalled')?.message.startsWith(message)) return;
    events.record(run, { type: 'Warning', reason: 'WorkerStalled', action: 'Crawl', message });
    logger.warn({ ...logFields(run), pod: worker.podName, stall: worker.stall }, 'worker hangs');
  }

  /** Once for each reason: the status remembers which obstacle was announced. */
  function announceObstacle(run: CrawlRun, obstacle: Obstacle | undefined): void {
    if (obstacle === undefined) return;
    if (findCondition(run.status?.conditions, 'Progressing')?.reason === obstacle.reason) return;
    const { reason, message } = obstacle;
    if (isWaiting(obstacle)) {
      events.record(run, { type: 'Normal', reason, action: 'QueueRun', message });
      return;
    }
    if (reason === 'Paused') {
      events.record(run, { type: 'Normal', reason, action: 'PauseRun', message });
      logger.info({ ...logFields(run), message }, 'run paused');
      return;
    }
    events.record(run, { type: 'Warning', reason, action: 'StartRun', message });
    logger.warn({ ...logFields(run), reason, message }, 'the run cannot go on');
  }

  /** @param changes as `field: before -> after` */
  function announceChange(run: CrawlRun, changes: readonly string[]): void {
    const message = changes.join(', ');
    events.record(run, { type: 'Normal', reason: 'SpecChanged', action: 'ChangeRun', message });
    logger.info({ ...logFields(run), changes }, 'run changed');
  }

  /** Once: the status remembers when it started. */
  function announceStart(run: CrawlRun, { startedAt }: RunSnapshot): void {
    if (startedAt === undefined || run.status?.startTime !== undefined) return;
    logger.info({ ...logFields(run), startedAt }, LOG_EVENTS.runStarted.message);
  }

  function announceEnd(run: CrawlRun, { outcome, message }: RunEnd, sources: readonly SourceSnapshot[]): void {
    for (const { name, result, message: error } of sources) {
      if (result === 'Failed') logger.warn({ ...logFields(run), source: name, error }, LOG_EVENTS.sourceFailed.message);
    }
    const isGood = outcome === 'Succeeded' || outcome === 'Stopped';
    const type = isGood ? 'Normal' : 'Warning';
    events.record(run, { type, reason: `Run${outcome}`, action: 'FinishRun', message });
    logger.info({ ...logFields(run), outcome, message }, LOG_EVENTS.runFinished.message);
  }

  return { announceStart, announceBlocks, announceTraps, announceStall, announceObstacle, announceChange, announceEnd };
}

/** In line a run may stand for hours: its status says where, and nothing is wrong. */
function isWaiting({ reason }: Obstacle): boolean {
  return reason === 'WaitingForSlot' || reason === 'WaitingForPrevious';
}

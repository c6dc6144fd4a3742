// The span of a whole run, to which its workers hang those of their pages. Pure function.
import type { CrawlRun } from '../../custom-resources/types.ts';
import type { RunSnapshot } from '../../store/operator-store.ts';
import type { Span } from '../../telemetry/traces.ts';
import type { RunEnd } from './run-status.ts';

/** From its creation to its end, with the time before its first worker began as a part. */
export function runSpan({ metadata, spec }: CrawlRun, end: RunEnd, snapshot: RunSnapshot | undefined): Span {
  const to = end.at.getTime();
  const from = Date.parse(metadata.creationTimestamp ?? '') || to;
  const started = snapshot?.startedAt?.getTime() ?? to;
  const progress = snapshot?.progress;
  const isGood = end.outcome === 'Succeeded' || end.outcome === 'Stopped';
  return {
    name: 'run',
    from,
    to,
    attributes: {
      'k8s.namespace.name': metadata.namespace,
      'trawler.run': metadata.name,
      ...(spec.scheduleName === undefined ? {} : { 'trawler.schedule': spec.scheduleName }),
      'trawler.outcome': end.outcome,
      'trawler.reason': end.reason,
      ...(progress === undefined ? {} : { 'trawler.pages': progress.succeeded, 'trawler.items': progress.items }),
    },
    ...(isGood ? {} : { error: end.message }),
    parts: [{ name: 'start', from, to: started }],
  };
}

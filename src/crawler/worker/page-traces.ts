// Spans of pages: how long each waited, was fetched, was read and was committed. Of a share of the pages: a crawl has
// many.
import type { Claim, Outcome } from '../../gateway/protocol/worker-store.ts';
import type { Span, Traces } from '../../telemetry/traces.ts';
import type { PageStage } from '../page-stage.ts';
import type { WorkerActivity } from './worker.ts';

/** What a stage is in a trace. */
const NAMES: Readonly<Record<PageStage, string>> = {
  Admission: 'admission',
  Fetching: 'fetch',
  Reading: 'extract',
  Extracting: 'extract by module',
  Screenshot: 'screenshot',
};

type Passed = { readonly name: string; readonly from: number };

/**
 * The same activity, of whose pages a share is traced.
 * @param share 0 to 1
 */
export function withPageTraces(
  activity: WorkerActivity,
  traces: Pick<Traces, 'add'>,
  { runId, share }: { readonly runId: string; readonly share: number },
  now = () => performance.timeOrigin + performance.now(),
): WorkerActivity {
  /** By lease: a page that is tried again has another one. */
  const followed = new Map<string, Passed[]>();

  /** A stage may be entered again from within. */
  function enter({ leaseToken }: Claim, name: string): void {
    const passed = followed.get(leaseToken);
    if (passed?.at(-1)?.name !== name) passed?.push({ name, from: now() });
  }

  return {
    ...activity,
    pageBegan(claim) {
      activity.pageBegan(claim);
      if (Math.random() < share) followed.set(claim.leaseToken, [{ name: NAMES.Admission, from: now() }]);
    },
    pageEntered(claim, stage) {
      activity.pageEntered(claim, stage);
      enter(claim, NAMES[stage]);
    },
    pageEnded(claim) {
      activity.pageEnded(claim);
      enter(claim, 'commit');
    },
    pageCommitted(outcome, isKept) {
      activity.pageCommitted?.(outcome, isKept);
      const { leaseToken } = outcome.claim;
      const passed = followed.get(leaseToken);
      followed.delete(leaseToken);
      if (passed !== undefined) traces.add(runId, pageSpan(outcome, isKept, passed, now()));
    },
  };
}

/** @param passed the stages in their order, one at least */
export function pageSpan(outcome: Outcome, isKept: boolean, passed: readonly Passed[], to: number): Span {
  const { claim, facts } = outcome;
  const parts = passed.map((stage, at) => ({ ...stage, to: passed[at + 1]?.from ?? to }));
  return {
    name: claim.kind === 'Sitemap' ? 'sitemap' : 'page',
    from: passed[0]?.from ?? to,
    to,
    attributes: {
      'url.full': claim.url,
      'trawler.source': claim.source,
      'trawler.attempt': claim.attempt,
      'trawler.outcome': outcome.type,
      'trawler.lease_lost': !isKept,
      ...(facts?.status === undefined ? {} : { 'http.response.status_code': facts.status }),
      ...('cause' in outcome ? { 'trawler.cause': outcome.cause } : {}),
      ...('reason' in outcome ? { 'trawler.reason': outcome.reason } : {}),
      ...(outcome.type === 'done' ? { 'trawler.items': outcome.items.length } : {}),
    },
    ...('cause' in outcome ? { error: outcome.message } : {}),
    parts,
  };
}

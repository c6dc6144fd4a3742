// The crawl loop of one worker: claim a little more than there are slots for, crawl each when its place at the host has
// come, commit the outcomes, until Postgres says that the run is finished or someone says stop.
import { StoreError } from '../../store/store-error.ts';
import type { Claim, Outcome, WorkerStore } from '../../store/worker-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { PageCrawler } from '../page/crawl-page.ts';
import { ClaimLine } from './claim-line.ts';
import { createCommitter } from './committer.ts';
import { createWakeUp } from './wake-up.ts';

/** Longest sleep of the loop; it is woken for whatever it should look at. */
const MAX_SLEEP_MS = 1_000;
/** When there is nothing to claim: other workers may find links at any time, but are not asked ever again for them. */
const FIRST_BACK_OFF_MS = 10;
const MAX_BACK_OFF_MS = 250;
/** Outcomes that may wait for their commit, in multiples of the concurrency, and at least; then no page is begun. */
const MAX_BACKLOG = 4;
const LEAST_BACKLOG = 100;

/** The stop reason of a worker that found out that no source lets itself be crawled. */
export const ALL_SOURCES_BLOCKED = 'Blocked';

/** What the worker is doing, for its heartbeat. */
export type WorkerActivity = {
  /** Grows with every claim, page begun, commit and vain try at the database: a worker that lives. */
  readonly progress: () => void;
  readonly pageBegan: (url: string) => void;
  readonly pageEnded: (url: string) => void;
  /** An exception that is not the fault of a page. */
  readonly exception: () => void;
};

/** Outcomes that this worker committed. */
export type WorkerTotals = { pages: number; items: number; failed: number; retried: number; skipped: number };

export function noTotals(): WorkerTotals {
  return { pages: 0, items: 0, failed: 0, retried: 0, skipped: 0 };
}

export type WorkerEnd = {
  /** Whether Postgres says that the run, or its crawl when a file is still to be written, is finished. */
  readonly finished: boolean;
  /** Why it stopped before that, unless the signals say so: what the store told, or ALL_SOURCES_BLOCKED. */
  readonly stopReason?: string;
  readonly totals: WorkerTotals;
};

/** Places for pages that are open at once. */
export type PageSlots = {
  /** How many there are now; when there are fewer than pages under way, those are finished. */
  readonly open: () => number;
  /** Is told whenever another number of them is taken. */
  readonly taken: (count: number) => void;
};

export type WorkerSignals = {
  /** No page is begun any more; those under way are finished. */
  readonly stopping: AbortSignal;
  /** Pages under way are given up and released. */
  readonly abort: AbortSignal;
  /** The end of waiting for the database. */
  readonly quit: AbortSignal;
};

/**
 * Resolves when the run is finished or the worker has stopped, everything committed. Rejects with the StoreError that
 * makes going on impossible, or with the reason of `quit`.
 */
export async function runWorker(options: {
  readonly store: Pick<WorkerStore, 'claim' | 'commit' | 'finish' | 'areAllSourcesBlocked'>;
  readonly pages: PageCrawler;
  readonly slots: PageSlots;
  /** Refused tries of each source, without any page, after which going on is of no use. */
  readonly enoughRefusals: number;
  readonly signals: WorkerSignals;
  readonly activity: WorkerActivity;
  readonly log: Logger;
}): Promise<WorkerEnd> {
  const { store, pages, slots, activity, log } = options;
  const { quit } = options.signals;
  const totals = noTotals();
  /** Aborted with a StoreError that makes going on impossible. */
  const broken = new AbortController();
  /** Aborted when the run is finished though pages are under way: they would have nowhere to go. */
  const finished = new AbortController();
  const abort = AbortSignal.any([options.signals.abort, broken.signal, finished.signal]);
  /** Aborted when every source refuses the crawl: what waits for its place need not wait any longer. */
  const blocked = new AbortController();
  const stopping = AbortSignal.any([options.signals.stopping, blocked.signal, abort]);
  const wakeUp = createWakeUp();
  const inFlight = new Set<Promise<void>>();
  const line = new ClaimLine();
  const maxBacklog = () => Math.max(MAX_BACKLOG * slots.open(), LEAST_BACKLOG);
  /** Ends when the place of the first claim in line has come. */
  let alarm: NodeJS.Timeout | undefined;
  /** Answers in a row that brought no claim, and when to ask again after them, by `performance.now()`. */
  let vainClaims = 0;
  let askAgainAt = 0;
  let stopReason: string | undefined;
  /** A page was refused since the last look at whether all is lost. */
  let mayBeBlocked = false;

  const committer = createCommitter({
    store,
    enough: slots.open,
    signal: quit,
    onFailed: storeFailed,
    onCommitted(outcomes, kept) {
      activity.progress();
      for (const outcome of outcomes) {
        if ('cause' in outcome && outcome.cause === 'Blocked') mayBeBlocked = true;
        if (kept.has(outcome.claim.requestId)) count(totals, outcome);
        else
          log.warn(
            { url: outcome.claim.url },
            'lease lost: the result was not written, unless by an earlier try whose answer was lost',
          );
      }
      // New links, or the end of the run.
      if (outcomes.some(mayBringWork) || isIdle()) askAgainAt = 0;
      beginPages();
      wakeUp.wake();
    },
  });

  function storeFailed(error: unknown): void {
    if (error instanceof StoreError && error.reason === 'RunFinished') finished.abort(error);
    else broken.abort(error);
  }

  async function crawl(claim: Claim): Promise<void> {
    activity.pageBegan(claim.url);
    try {
      const outcome = await outcomeOf(claim);
      logOutcome(log, outcome);
      committer.add(outcome);
    } finally {
      activity.pageEnded(claim.url);
    }
  }

  async function outcomeOf(claim: Claim): Promise<Outcome> {
    try {
      return await pages.crawl(claim, { stopping, abort });
    } catch (error) {
      if (error instanceof StoreError) storeFailed(error);
      if (stopping.aborted) return { type: 'released', claim };
      // A fault of ours. It must not take the other pages with it, and may not happen again.
      activity.exception();
      log.error({ err: error, url: claim.url }, 'unexpected exception while crawling a page');
      const message = error instanceof Error ? error.message : String(error);
      return { type: 'retry', claim, cause: 'ExtractionError', message, delayMs: 0 };
    }
  }

  function isIdle(): boolean {
    return inFlight.size === 0 && line.length === 0 && committer.pending() === 0;
  }

  /** Begins what has its place and a slot; whoever has a slot and no claim for it wants the links that wait for commit. */
  function beginPages(): void {
    clearTimeout(alarm);
    while (!stopping.aborted && inFlight.size < slots.open() && committer.pending() < maxBacklog()) {
      const next = line.take(performance.now());
      if (next === undefined) break;
      begin(next);
    }
    if (inFlight.size >= slots.open()) return;
    if (line.nextAt === undefined || committer.pending() >= maxBacklog()) committer.hurry();
    else if (!stopping.aborted) alarm = setTimeout(beginPages, Math.ceil(line.nextAt - performance.now()));
  }

  function begin(claim: Claim): void {
    const page = crawl(claim).finally(() => {
      inFlight.delete(page);
      slots.taken(inFlight.size);
      line.pageEnded(performance.now());
      beginPages();
      wakeUp.wake();
    });
    inFlight.add(page);
    slots.taken(inFlight.size);
  }

  async function isBlocked(): Promise<boolean> {
    if (!mayBeBlocked) return false;
    mayBeBlocked = false;
    return store.areAllSourcesBlocked(options.enoughRefusals, quit);
  }

  /** One look at the frontier; true when there is nothing to be done any more. */
  async function claimMore(wanted: number): Promise<boolean> {
    if (await isBlocked()) {
      stopReason = ALL_SOURCES_BLOCKED;
      blocked.abort(new Error(stopReason));
      return true;
    }
    const result = await store.claim(wanted, quit);
    switch (result.state) {
      case 'Claimed':
        vainClaims = 0;
        activity.progress();
        line.add(result.claims);
        beginPages();
        return false;
      case 'Wait':
        if (isIdle() && (await store.finish(quit))) return true;
        if (result.retryInMs > 0) askAgainAt = performance.now() + Math.max(result.retryInMs, backOff(vainClaims++));
        return false;
      case 'Stopping':
        stopReason = result.reason;
        return true;
      case 'Finished':
        finished.abort();
        return true;
    }
  }

  let isOver = false;
  while (!isOver && !stopping.aborted) {
    const now = performance.now();
    const wanted = line.wanted(inFlight.size, slots.open(), now);
    if (wanted > 0 && now >= askAgainAt) isOver = await claimMore(wanted);
    else await wakeUp.sleep(wanted > 0 ? Math.ceil(askAgainAt - now) : MAX_SLEEP_MS, stopping);
  }
  clearTimeout(alarm);
  for (const claim of line.takeAll()) committer.add({ type: 'released', claim });
  await Promise.all(inFlight);
  await committer.drained();
  broken.signal.throwIfAborted();
  return { finished: await store.finish(quit), totals, ...(stopReason === undefined ? {} : { stopReason }) };
}

function backOff(vainClaims: number): number {
  return Math.min(FIRST_BACK_OFF_MS * 2 ** Math.min(vainClaims, 10), MAX_BACK_OFF_MS);
}

/** Whether there may be something to claim after its commit that was not there before: links, a retry, a free place. */
function mayBringWork(outcome: Outcome): boolean {
  return outcome.type === 'done' ? outcome.links.length > 0 : outcome.type === 'retry' || outcome.type === 'skipped';
}

function count(totals: WorkerTotals, outcome: Outcome): void {
  if (outcome.type === 'done') {
    totals.pages++;
    totals.items += outcome.items.length;
  } else if (outcome.type === 'dead') totals.failed++;
  else if (outcome.type === 'retry') totals.retried++;
  else if (outcome.type === 'skipped') totals.skipped++;
}

function logOutcome(log: Logger, outcome: Outcome): void {
  const { claim, type, facts } = outcome;
  const line = { url: claim.url, source: claim.source, attempt: claim.attempt, ...facts };
  if (type === 'dead') log.warn({ ...line, cause: outcome.cause, error: outcome.message }, 'task processing failed');
  else if (type === 'retry' && outcome.cause === 'Blocked')
    log.warn({ ...line, error: outcome.message }, 'page blocked');
  else if (type === 'retry') log.debug({ ...line, cause: outcome.cause, error: outcome.message }, 'page to be retried');
  else if (type === 'skipped') log.debug({ ...line, reason: outcome.reason }, 'page skipped');
  else if (type === 'done')
    log.debug({ ...line, items: outcome.items.length, links: outcome.links.length }, 'page done');
  else log.debug(line, 'page released');
}

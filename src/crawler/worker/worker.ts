// The crawl loop of one worker: it claims a little more than there are slots for, crawls each claim when its place at the
// host has come, and commits the outcomes, until Postgres says that the run is finished or someone says stop.
import { StoreError } from '../../gateway/protocol/store-error.ts';
import type { Claim, ClaimResult, Outcome, WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { PageCrawler } from '../page/crawl-page.ts';
import { inStages, type PageStage } from '../page-stage.ts';
import { ClaimLine } from './claim-line.ts';
import { type Committer, createCommitter } from './committer.ts';
import { ClaimPace, slotStep } from './loop-steps.ts';
import { countOutcome, logOutcome, noTotals, type WorkerTotals } from './outcome-log.ts';
import { createWakeUp } from './wake-up.ts';
import { ALL_SOURCES_BLOCKED, WorkEnd, type WorkerSignals } from './work-end.ts';

/** Longest sleep of the loop; it is woken for whatever it should look at. */
const MAX_SLEEP_MS = 1_000;

/** What the worker is doing, for its heartbeat. */
export type WorkerActivity = {
  /** Grows with every claim, page begun, commit and vain try at the database: a worker that lives. */
  readonly progress: () => void;
  readonly pageBegan: (claim: Claim) => void;
  readonly pageEntered: (claim: Claim, stage: PageStage) => void;
  readonly pageEnded: (claim: Claim) => void;
  /** It has been written down, unless the lease was lost: `isKept` is false then. */
  readonly pageCommitted?: (outcome: Outcome, isKept: boolean) => void;
  /** An exception that is not the fault of a page. */
  readonly exception: () => void;
};

export type WorkerEnd = {
  /** Whether Postgres says that the run, or its crawl when a file is still to be written, is finished. */
  readonly finished: boolean;
  /** Why it stopped before that, unless the signals say so: what the store said, or ALL_SOURCES_BLOCKED. */
  readonly stopReason?: string;
  readonly totals: WorkerTotals;
};

/** Places for pages that are open at once. */
export type PageSlots = {
  /** How many there are now; when there are fewer than pages under way, those are finished. */
  readonly open: () => number;
  /** Called whenever another number of them is taken. */
  readonly taken: (count: number) => void;
};

export type WorkerOptions = {
  readonly store: Pick<WorkerStore, 'claim' | 'returnUnknownLeases' | 'commit' | 'finish' | 'areAllSourcesBlocked'>;
  readonly pages: Pick<PageCrawler, 'crawl'>;
  /** Takes up what was changed of the spec, when a claim is to be crawled by another version than the last one. */
  readonly followSpec: (version: number, signal: AbortSignal) => Promise<void>;
  /** Puts the seeds in again. */
  readonly reseed: (signal: AbortSignal) => Promise<void>;
  readonly slots: PageSlots;
  /** Refused tries of each source, without any page, after which going on is of no use. */
  readonly enoughRefusals: number;
  readonly signals: WorkerSignals;
  readonly activity: WorkerActivity;
  readonly log: Logger;
};

/**
 * Resolves when the run is finished or the worker has stopped, everything committed. Rejects with the StoreError that
 * makes going on impossible, or with the reason of `quit`; no page is under way then either.
 */
export function runWorker(options: WorkerOptions): Promise<WorkerEnd> {
  return new CrawlLoop(options).run();
}

class CrawlLoop {
  readonly #options: WorkerOptions;
  readonly #end: WorkEnd;
  readonly #totals = noTotals();
  readonly #line = new ClaimLine();
  readonly #claimPace = new ClaimPace();
  readonly #underWay = new Set<Promise<void>>();
  readonly #committer: Committer;
  readonly #wakeUp = createWakeUp();
  /** Ends when the place of the first claim in line has come. */
  #alarm: NodeJS.Timeout | undefined;
  /** A page was refused since the last look at whether every source refuses. */
  #mayBeBlocked = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#end = new WorkEnd(options.signals);
    this.#committer = createCommitter({
      store: options.store,
      enough: options.slots.open,
      signal: options.signals.quit,
      onFailed: (error) => this.#end.storeFailed(error),
      onCommitted: (outcomes, kept) => this.#committed(outcomes, kept),
    });
  }

  async run(): Promise<WorkerEnd> {
    const { store, signals } = this.#options;
    try {
      await this.#claimUntilTheEnd();
    } catch (error) {
      // The pages under way are given up; what is done already is still committed, if the database lets it.
      this.#end.storeFailed(error);
    }
    clearTimeout(this.#alarm);
    for (const claim of this.#line.takeAll()) this.#committer.add({ type: 'released', claim });
    await Promise.all(this.#underWay);
    await this.#committer.drained();
    this.#end.throwIfBroken();
    await store.returnUnknownLeases(signals.quit);
    const { reason } = this.#end;
    return {
      finished: await store.finish(signals.quit),
      totals: this.#totals,
      ...(reason === undefined ? {} : { stopReason: reason }),
    };
  }

  async #claimUntilTheEnd(): Promise<void> {
    const { slots } = this.#options;
    let isOver = false;
    while (!isOver && !this.#end.stopping.aborted) {
      const now = performance.now();
      const wanted = this.#line.wanted(this.#underWay.size, slots.open(), now);
      if (wanted > 0 && now >= this.#claimPace.at) isOver = await this.#claim(wanted);
      else {
        const sleepMs = wanted > 0 ? Math.ceil(this.#claimPace.at - now) : MAX_SLEEP_MS;
        await this.#wakeUp.sleep(sleepMs, this.#end.stopping);
        // There may be more slots than before, though no page has ended.
        this.#fillSlots();
      }
    }
  }

  /** One look at the frontier; true when there is nothing to be done any more. */
  async #claim(wanted: number): Promise<boolean> {
    const { store, activity, signals } = this.#options;
    if (await this.#areAllSourcesBlocked()) {
      this.#end.stop(ALL_SOURCES_BLOCKED);
      return true;
    }
    const result = await this.#nextClaims(wanted);
    if (result === undefined) return true;
    switch (result.state) {
      case 'Claimed':
        this.#claimPace.succeeded();
        activity.progress();
        await this.#takeUp(result);
        return false;
      case 'Wait':
        if (this.#isIdle() && (await store.finish(signals.quit))) return true;
        this.#claimPace.failed(result.retryInMs, performance.now());
        return false;
      case 'Unseeded':
        this.#options.log.warn('the database has lost the start URLs: putting them in again');
        await this.#options.reseed(signals.quit);
        return false;
      case 'Stopping':
        this.#end.stop(result.reason);
        return true;
      case 'Finished':
        this.#end.finish();
        return true;
    }
  }

  async #takeUp({ claims, liveVersion }: Extract<ClaimResult, { state: 'Claimed' }>): Promise<void> {
    try {
      await this.#options.followSpec(liveVersion, this.#end.stopping);
    } catch (error) {
      for (const claim of claims) this.#committer.add({ type: 'released', claim });
      if (this.#end.stopping.aborted && !(error instanceof StoreError)) return;
      throw error;
    }
    this.#line.add(claims);
    this.#fillSlots();
  }

  /**
   * A claim may wait long for work, and a stop ends that; undefined then. What it may have leased by that time goes back at the
   * end.
   */
  async #nextClaims(wanted: number): Promise<ClaimResult | undefined> {
    const { stopping } = this.#end;
    try {
      return await this.#options.store.claim(wanted, stopping);
    } catch (error) {
      if (stopping.aborted && !(error instanceof StoreError)) return undefined;
      throw error;
    }
  }

  async #areAllSourcesBlocked(): Promise<boolean> {
    if (!this.#mayBeBlocked) return false;
    this.#mayBeBlocked = false;
    const { store, enoughRefusals, signals } = this.#options;
    return store.areAllSourcesBlocked(enoughRefusals, signals.quit);
  }

  #isIdle(): boolean {
    return this.#underWay.size === 0 && this.#line.length === 0 && this.#committer.pending() === 0;
  }

  /** Begins the claims whose places have come, as long as there are slots for them. */
  #fillSlots(): void {
    clearTimeout(this.#alarm);
    for (;;) {
      const now = performance.now();
      const step = slotStep(
        {
          slots: this.#options.slots.open(),
          busy: this.#underWay.size,
          nextAt: this.#line.nextAt,
          uncommitted: this.#committer.pending(),
          isStopping: this.#end.stopping.aborted,
        },
        now,
      );
      const claim = step.type === 'Begin' ? this.#line.take(now) : undefined;
      if (claim !== undefined) {
        this.#begin(claim);
        continue;
      }
      if (step.type === 'Commit') this.#committer.hurry();
      if (step.type === 'WaitUntil') this.#alarm = setTimeout(() => this.#fillSlots(), Math.ceil(step.at - now));
      return;
    }
  }

  #begin(claim: Claim): void {
    const { slots } = this.#options;
    const page = this.#crawl(claim).finally(() => {
      this.#underWay.delete(page);
      slots.taken(this.#underWay.size);
      this.#line.pageEnded(performance.now());
      this.#fillSlots();
      this.#wakeUp.wake();
    });
    this.#underWay.add(page);
    slots.taken(this.#underWay.size);
  }

  async #crawl(claim: Claim): Promise<void> {
    const { activity, log } = this.#options;
    activity.pageBegan(claim);
    const entered = (stage: PageStage) => activity.pageEntered(claim, stage);
    const outcome = await inStages(entered, () => this.#outcomeOf(claim));
    activity.pageEnded(claim);
    logOutcome(log, outcome);
    this.#committer.add(outcome);
  }

  async #outcomeOf(claim: Claim): Promise<Outcome> {
    const { pages, activity, log } = this.#options;
    try {
      return await pages.crawl(claim, this.#end);
    } catch (error) {
      if (error instanceof StoreError) this.#end.storeFailed(error);
      if (this.#end.stopping.aborted) return { type: 'released', claim };
      // A fault of ours. It must not take the other pages with it, and may not happen again.
      activity.exception();
      log.error({ err: error, url: claim.url }, 'unexpected exception while crawling a page');
      const message = error instanceof Error ? error.message : String(error);
      return { type: 'retry', claim, cause: 'ExtractionError', message, delayMs: 0 };
    }
  }

  #committed(outcomes: readonly Outcome[], kept: ReadonlySet<string>): void {
    const { activity, log } = this.#options;
    activity.progress();
    for (const outcome of outcomes) {
      if ('cause' in outcome && outcome.cause === 'Blocked') this.#mayBeBlocked = true;
      const isKept = kept.has(outcome.claim.requestId);
      activity.pageCommitted?.(outcome, isKept);
      if (isKept) countOutcome(this.#totals, outcome);
      else
        log.warn(
          { url: outcome.claim.url },
          'lease lost: the result was not written, unless by an earlier try whose answer was lost',
        );
    }
    // New links, or the end of the run.
    if (outcomes.some(mayBringWork) || this.#isIdle()) this.#claimPace.hurry();
    this.#fillSlots();
    this.#wakeUp.wake();
  }
}

/** Whether its commit may have put something into the queue, or freed a place in the page limits. */
function mayBringWork(outcome: Outcome): boolean {
  return (outcome.links ?? []).length > 0 || outcome.type === 'retry' || outcome.type === 'skipped';
}

// The worker's store behind the gateway: what one worker knows of the frontier, its leases and the database's clock. The
// rules are in the database's functions, which the calls lead to.
import type { CallAnswer, CallName, CallRequest, WorkerCalls } from '../../gateway/protocol/calls.ts';
import { DatabaseClock, precisionFor, type Turn } from '../../gateway/protocol/database-clock.ts';
import { StoreError } from '../../gateway/protocol/store-error.ts';
import type {
  Claim,
  Discovery,
  Heartbeat,
  HeartbeatStore,
  HostRobots,
  Outcome,
  RememberedPage,
  WorkerStore,
} from '../../gateway/protocol/worker-store.ts';
import { AssumedState } from './assumed-state.ts';
import { batchesOf } from './batches.ts';
import { linkRow, newLinks, outcomeRow } from './request-rows.ts';

/** Seeds of one transaction, which holds up whoever else seeds the run. */
const SEEDS_AT_ONCE = 1_000;

/** The lease of nobody. */
const NO_LEASE = '00000000-0000-0000-0000-000000000000';

/** Lower than the id of any item. */
const FIRST_ITEM = '0';

export type WorkerStoreOptions = {
  readonly calls: WorkerCalls;
  /** Pod UID. */
  readonly workerId: string;
  /** How long a claim may wait for work before it answers that there is none. */
  readonly waitMs?: number;
};

export function createWorkerStore({ calls, workerId, waitMs = 0 }: WorkerStoreOptions): WorkerStore {
  const assumed = new AssumedState();
  const { known, leases } = assumed;
  const clock = new DatabaseClock();
  /** The last claim brought nothing: the next one may wait long, and needs no clock before. */
  let wasVain = false;

  /** How well the last places needed the clock: the next ones are most likely like them, and looks before they are given cost no time of theirs. */
  let precisionMs = Number.POSITIVE_INFINITY;

  const setClock = (signal: AbortSignal): Promise<void> =>
    clock.lookAsNeeded(precisionMs, async () => {
      const asked = performance.now();
      const { now, moment = now } = await calls.call('clock', {}, signal);
      return { asked, moment, now };
    });

  const setClockFor = (turns: readonly Turn[], signal: AbortSignal): Promise<void> => {
    precisionMs = precisionFor(turns);
    return setClock(signal);
  };

  /** A call that builds on what was assumed: made again when another server answers, with what is sure then. */
  const callOnSameServer = async <Name extends CallName>(
    name: Name,
    request: () => CallRequest<Name>,
    signal: AbortSignal,
  ): Promise<CallAnswer<Name>> => {
    for (;;) {
      try {
        return await calls.call(name, request(), signal);
      } catch (error) {
        if (!(error instanceof StoreError) || error.reason !== 'OtherServer') throw error;
        assumed.serverChanged(error.server ?? '');
      }
    }
  };

  const claimRequests = async (slots: number, waitMs: number, signal: AbortSignal): Promise<CallAnswer<'claim'>> => {
    try {
      const request = () => ({ workerId, slots, latenessMs: clock.lateness(), ...assumed.claim(), waitMs });
      const answer = await callOnSameServer('claim', request, signal);
      assumed.claimAnswered(answer);
      return answer;
    } catch (error) {
      assumed.answerLost();
      throw error;
    }
  };

  const commitBatch = async (outcomes: readonly Outcome[], signal: AbortSignal): Promise<readonly string[]> => {
    let whole: Outcome[] = [];
    let links: ReturnType<typeof newLinks> = [];
    const ours = await callOnSameServer(
      'commit',
      () => {
        whole = outcomes.filter(({ claim }) => !assumed.isBroken(claim.leaseToken));
        links = newLinks(whole, known);
        const { server } = assumed;
        return { workerId, outcomes: whole.map(outcomeRow), links: links.length === 0 ? null : links, server };
      },
      signal,
    );
    // Only what is surely in the frontier is known; after a lost lease some links may not be.
    if (ours.length === whole.length) for (const link of links) known.add(link.key, link.depth);
    for (const { claim } of outcomes) assumed.claimEnded(claim.leaseToken);
    return ours;
  };

  return {
    async loadRun(signal) {
      const { startedAt, ...run } = await calls.call('load-run', {}, signal);
      return { ...run, ...(startedAt == null ? {} : { startedAt }) };
    },

    async seed(seeds, signal) {
      const rowsFrom = (start: number) => seeds.slice(start, start + SEEDS_AT_ONCE).map(linkRow);
      let start = 0;
      for (; start + SEEDS_AT_ONCE < seeds.length; start += SEEDS_AT_ONCE) {
        if (await calls.call('add-seeds', { workerId, links: rowsFrom(start) }, signal)) continue;
        assumed.isSeeded = true;
        return false;
      }
      const isFirst = await calls.call('seed-frontier', { workerId, links: rowsFrom(start) }, signal);
      assumed.isSeeded = true;
      return isFirst;
    },

    async claim(slots, signal) {
      if (!wasVain) await setClock(signal);
      const asked = performance.now();
      const answer = await claimRequests(slots, waitMs, signal);
      wasVain = answer.state === 'Wait';
      if (answer.state === 'Wait' && answer.isSeeded === false && assumed.isSeeded) return { state: 'Unseeded' };
      if (answer.state === 'Wait') return { state: 'Wait', retryInMs: answer.retryInMs };
      if (answer.state !== 'Claimed') return answer;
      clock.observe({ asked: asked + answer.heldMs, moment: answer.moment, now: answer.now });
      try {
        await setClockFor(answer.claims, signal);
      } catch (error) {
        assumed.answerLost();
        throw error;
      }
      for (const { leaseToken } of answer.claims) leases.add(leaseToken);
      const claims = answer.claims.map(({ turn, sendBy, ...claim }) => ({ ...claim, ...clock.window(turn, sendBy) }));
      return { state: 'Claimed', claims: claims as Claim[], liveVersion: answer.liveVersion };
    },

    async returnUnknownLeases(signal) {
      // The first claim of an epoch leases nothing.
      if (assumed.isUnsure) await claimRequests(1, 0, signal);
    },

    async reserveHost(host, signal) {
      await setClock(signal);
      const asked = performance.now();
      const answer = await calls.call('reserve-host', { host, latenessMs: clock.lateness() }, signal);
      clock.observe({ asked, ...answer });
      await setClockFor([answer], signal);
      const { turn, sendBy, spacingMs } = answer;
      return { ...clock.window(turn, sendBy), ...(spacingMs === undefined ? {} : { spacingMs }) };
    },

    deferHost: (host, delayMs, signal) => calls.call('defer-host', { host, delayMs }, signal),

    async recallPage(requestId, signal) {
      const page = await calls.call('recall-page', { requestId }, signal);
      return page === null ? undefined : (withoutNulls(page) as RememberedPage);
    },

    reportBlock: (host, evidence, signal) => calls.call('report-block', { host, evidence }, signal),

    reportFailure: (host, failure, signal) => calls.call('report-failure', { host, ...failure }, signal),

    reportAnswer: (host, signal) => calls.call('report-answer', { host }, signal),

    reportOutage: (host, ageMs, message, signal) => calls.call('report-outage', { host, ageMs, message }, signal),

    reportReachable: (host, signal) => calls.call('report-reachable', { host }, signal),

    reportTrap: (trap, signal) => calls.call('report-trap', trap, signal),

    moveScope: (source, url, signal) => calls.call('move-scope', { source, url }, signal),

    readMovedScopes: (signal) => calls.call('read-moved-scopes', {}, signal),

    areAllSourcesBlocked: (refusals, signal) => calls.call('are-all-sources-blocked', { refusals }, signal),

    async readRobots(host, signal) {
      const robots = await calls.call('read-robots', { host }, signal);
      return robots === null ? undefined : (withoutNulls(robots) as HostRobots);
    },

    setCrawlDelay: (host, delayMs, signal) =>
      calls.call('set-crawl-delay', { host, delayMs: Math.ceil(delayMs) }, signal),

    async writeRobots(host, { verdict, body, crawlDelayMs }, signal) {
      const delay = crawlDelayMs === undefined ? null : Math.ceil(crawlDelayMs);
      await calls.call('write-robots', { host, verdict, body: body ?? null, crawlDelayMs: delay }, signal);
    },

    async readHostRendering(host, signal) {
      return (await calls.call('read-host-rendering', { host }, signal)) ?? undefined;
    },

    learnHostRendering: (host, neededBrowser, signal) =>
      calls.call('learn-host-rendering', { host, neededBrowser }, signal),

    async commit(outcomes, signal) {
      const kept = new Set<string>();
      for (const batch of batchesOf(outcomes)) {
        for (const requestId of await commitBatch(batch, signal)) kept.add(requestId);
      }
      return kept;
    },

    async addLinks(claim: Claim, links: readonly Discovery[], signal) {
      const { requestId, leaseToken } = claim;
      const all = links.map(linkRow);
      if (assumed.isBroken(leaseToken)) return 'Lost';
      if (all.every((row) => known.has(row.key, row.depth))) return 'Added';
      let rows = all;
      const answer = await callOnSameServer(
        'add-links',
        () => {
          rows = all.filter((row) => !known.has(row.key, row.depth));
          // What was added before went to a server that may have lost it: this lease can end in nothing.
          const token = assumed.isBroken(leaseToken) ? NO_LEASE : leaseToken;
          return { workerId, requestId, leaseToken: token, links: rows, server: assumed.server };
        },
        signal,
      );
      if (answer !== 'Added') return answer;
      for (const row of rows) known.add(row.key, row.depth);
      assumed.linksAdded(leaseToken);
      return 'Added';
    },

    finish: (signal) => calls.call('finish', {}, signal),

    leaseOutput: (signal) => calls.call('lease-output', { workerId }, signal),

    async outputItems(fence, after, signal) {
      return (await calls.call('output-items', { fence, after: after ?? FIRST_ITEM }, signal)) ?? undefined;
    },

    async outputFields(fence, signal) {
      const names = new Set<string>();
      for (let after: string | null = FIRST_ITEM; after !== null; ) {
        const page: CallAnswer<'output-fields'> = await calls.call('output-fields', { fence, after }, signal);
        if (page === null) return undefined;
        for (const name of page.fields) names.add(name);
        after = page.last;
      }
      return [...names].sort();
    },

    settleOutput: (fence, result, signal) => calls.call('settle-output', { fence, result }, signal),

    releaseOutput: (fence, signal) => calls.call('release-output', { fence }, signal),

    close: () => calls.close(),
  };
}

const HEARTBEAT_TIMEOUT_MS = 10_000;

/** For a thread of its own, with connections apart from the worker's. */
export function createHeartbeatStore({ calls, workerId }: WorkerStoreOptions): HeartbeatStore {
  return {
    async beat(heartbeat: Heartbeat, signal) {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(HEARTBEAT_TIMEOUT_MS)]);
      const { finished, stopReason, liveVersion } = await calls.call(
        'write-heartbeat',
        { workerId, heartbeat },
        bounded,
      );
      return { finished, liveVersion, ...(stopReason == null ? {} : { stopReason }) };
    },
    close: () => calls.close(),
  };
}

/** SQL's null is our absent property. */
function withoutNulls(row: object): object {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}

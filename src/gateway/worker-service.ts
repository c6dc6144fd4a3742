// Answers the calls of workers: whose token it is, what waits, and which of the two pools of connections serves it.

import { type RunKey, type RunOfToken, runKeyOf, type WorkerFunctions } from '../store/worker-calls.ts';
import { createAdmission } from './admission.ts';
import { createClock } from './clock.ts';
import { FairLine } from './fair-line.ts';
import { createHeartbeats } from './heartbeats.ts';
import type { GatewayLimits } from './limits.ts';
import type { CallArguments, CallName } from './protocol/calls.ts';
import { CALLS } from './protocol/calls.ts';
import { StoreError } from './protocol/store-error.ts';
import { createWaitingClaims, type HeldTime } from './waiting-claims.ts';

/** A call may take as long as the role's statement_timeout, and some more for a connection. */
const CALL_TIMEOUT_MS = 45_000;
/** Looks, and heartbeats of thousands of workers, take few milliseconds each. */
export const RESERVED_CONNECTIONS = 2;

/** The run of a request whose token is good. */
export type CallingRun = RunOfToken & { readonly key: RunKey };

export type WorkerService = {
  /** Rejects with `TokenRefused`, or `Unavailable`. The address is the caller's. */
  runOf(token: string, address: string): Promise<CallingRun>;
  /** False when the run asks more often than it may. */
  takeRequest(run: CallingRun): boolean;
  /**
   * JSON of the answer. `held` is filled in for a claim. `signal` ends the wait for a connection or for work; what the database
   * has begun it ends.
   */
  call<Name extends CallName>(
    name: Name,
    request: CallArguments<Name>,
    run: CallingRun,
    held: HeldTime,
    signal: AbortSignal,
  ): Promise<Answer>;
  /** Claims do not wait for work any more. */
  drain(): void;
  readonly waitingClaims: number;
  readonly connectionsUsed: number;
  readonly connectionsWaitedFor: number;
};

export type Answer = {
  readonly json: string;
  /** Takes it back: nobody heard it. */
  readonly undo?: () => Promise<void>;
};

export type WorkerServiceOptions = {
  /** Over the pool for calls, and over the one of RESERVED_CONNECTIONS. */
  readonly functions: WorkerFunctions;
  readonly reserved: WorkerFunctions;
  /** Connections of the pool for calls. */
  readonly poolSize: number;
  readonly limits: GatewayLimits;
  readonly onLookFailed: (error: unknown) => void;
  /** A commit of the run was stored; JSON of the answer. */
  readonly onCommitted: (run: CallingRun, request: CallArguments<'commit'>, answer: string) => void;
};

export function createWorkerService(options: WorkerServiceOptions): WorkerService {
  const { functions, reserved, poolSize, limits, onLookFailed, onCommitted } = options;
  const line = new FairLine(poolSize, limits.waiting);
  const reservedLine = new FairLine(RESERVED_CONNECTIONS, limits.waiting);
  const bounded = () => AbortSignal.timeout(CALL_TIMEOUT_MS);
  const everyone = { namespace: '*', runId: '' };
  const admission = createAdmission(
    (key, place) => reservedLine.use(place, bounded(), () => reserved.runOf(key, bounded())),
    limits.requestsPerWorker,
  );

  const throughLine = <Name extends CallName>(
    name: Name,
    request: CallArguments<Name>,
    run: CallingRun,
    signal: AbortSignal,
  ) => line.use(run, signal, () => functions.call(name, request, run.key, bounded()));

  const claims = createWaitingClaims<CallingRun>({
    claim: (run, request, signal) => throughLine('claim', request, run, signal),
    async outlooks(keys) {
      const askedAt = performance.now();
      const outlooks = await reserved.outlooksOf(keys, bounded());
      // Tokens are looked up here, too.
      for (const [index, key] of keys.entries()) {
        if (outlooks[index] === null) admission.forget(key);
        else admission.confirm(key, askedAt);
      }
      return outlooks;
    },
    onLookFailed,
  });

  const heartbeats = createHeartbeats<CallingRun>({
    writeTogether: (beats) => {
      const rows = beats.map(({ run: { key }, request }) => ({ ...request, key }));
      return reservedLine.use(everyone, bounded(), () => reserved.writeHeartbeats(rows, bounded()));
    },
    writeAlone: ({ run, request }) =>
      reservedLine.use(run, bounded(), () => reserved.call('write-heartbeat', request, run.key, bounded())),
  });

  const clock = createClock(() =>
    reservedLine.use(everyone, bounded(), async () => {
      const asked = performance.now();
      return { asked, databaseNow: await reserved.clock(bounded()) };
    }),
  );

  /** What a claim has leased is queued again, for the worker that has gone before it was told. */
  async function release(run: CallingRun, { workerId }: CallArguments<'claim'>, json: string): Promise<void> {
    const answer = CALLS.claim.answer.parse(JSON.parse(json));
    if (answer.state !== 'Claimed') return;
    const outcomes = answer.claims.map(({ requestId, leaseToken }) => ({
      ...{ key: requestId, token: leaseToken, type: 'released' as const },
    }));
    await throughLine('commit', { workerId, outcomes, links: null, server: answer.server }, run, bounded());
    claims.stir(run.key, outcomes.length);
  }

  return {
    async runOf(token, address) {
      const key = runKeyOf(token);
      return { ...(await admission.runOf(key, address)), key };
    },
    takeRequest: (run) => admission.takeRequest(run),
    async call(name, request, run, held, signal) {
      if (name === 'claim') {
        const claim = request as CallArguments<'claim'>;
        const answer = await claims.claim(run, claim, held, signal);
        return { json: withHeld(answer, held), undo: () => release(run, claim, answer) };
      }
      if (name === 'write-heartbeat') {
        return { json: await heartbeats.write(run, request as CallArguments<'write-heartbeat'>) };
      }
      if (name === 'write-log' && line.waiting > 0) throw new StoreError('Unavailable', 'calls of crawls go first');
      if (name === 'clock') return { json: JSON.stringify(await clock()) };
      const json = await throughLine(name, request, run, signal);
      if (name === 'commit') onCommitted(run, request as CallArguments<'commit'>, json);
      const endedRun = (name === 'finish' || name === 'settle-output') && json === 'true';
      if ('mayBringWork' in CALLS[name] || endedRun) claims.stir(run.key, broughtBy(name, request));
      return { json };
    },
    drain: () => claims.drain(),
    get waitingClaims() {
      return claims.size;
    },
    get connectionsUsed() {
      return line.used;
    },
    get connectionsWaitedFor() {
      return line.waiting;
    },
  };
}

/** For how many claims a call may bring work at once: one for each link, and for each request that it gives back. */
function broughtBy<Name extends CallName>(name: Name, request: CallArguments<Name>): number {
  if (name !== 'commit') return Number.POSITIVE_INFINITY;
  const { outcomes, links } = request as CallArguments<'commit'>;
  return outcomes.filter(({ type }) => type === 'released').length + (links?.length ?? 0);
}

/** Adds a key to an answer that is an object, without reading it. */
function withHeld(answer: string, { ms }: HeldTime): string {
  return `{"heldMs": ${ms}, ${answer.slice(answer.indexOf('{') + 1)}`;
}

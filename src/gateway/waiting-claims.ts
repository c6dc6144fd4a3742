// Claims that wait for work. A claim that finds nothing stays here, without a connection and without a transaction, until
// something may be there for it: a call of the same run that came through this gateway, a turn of a host that is due, or a
// change that a look at all waiting runs at once finds. The looks only read, and there is one at a time however many runs wait.
import type { RunKey, RunOutlook } from '../store/worker-calls.ts';
import type { CallArguments } from './protocol/calls.ts';

/** How often it is looked for what other gateways or the clock have brought. */
const LOOK_EVERY_MS = 100;
/** And at those alone in which something has happened since, or that had something due. */
const LOOK_AT_SOME_EVERY_MS = 25;
/** A look that takes long is made less often, so that it takes a tenth of one connection at most. */
const LOOK_SHARE = 10;
/** After vain claims of a run the next one waits longer each time, unless a call has brought something. */
const FIRST_BACK_OFF_MS = 10;
const MAX_BACK_OFF_MS = 250;
/** When a claim is made once more after the first look at a run that waits, if something of it is held back. */
const FIRST_LOOK_TRY_MS = 500;
/** Within this time after a vain claim, others of the run that come again wait without one of their own. */
const VAIN_FOR_MS = 20_000;
/** Claims of one run that wait, beyond twice its workers: pods come and go. */
const MOST_BESIDE_WORKERS = 20;
/** When a run has nothing left, its workers ask whether it is finished. */
const EMPTY_RETRY_MS = 100;
/** Claims that were made by what the last vain one said look at all lanes so often, as workers do. */
const LOOK_AT_ALL_EVERY_MS = 2_000;
/** Rooms that nobody has used for so long are forgotten. */
const FORGET_AFTER_MS = 60_000;

export type ClaimRequest = CallArguments<'claim'>;
export type WaitingRun = { readonly key: RunKey; readonly workers: number };
/** How long a question waited for work: until its last way to the database, or its answer without one. Also of one that failed. */
export type HeldTime = { ms: number };

export type WaitingClaims<Run extends WaitingRun> = {
  /** JSON of the answer; `held` is filled in. */
  claim(run: Run, request: ClaimRequest, held: HeldTime, signal: AbortSignal): Promise<string>;
  /** A call of the run may have brought work for so many claims. */
  stir(key: RunKey, brings: number): void;
  /** Answers all that wait, and lets none wait any more. */
  drain(): void;
  readonly size: number;
};

export type WaitingClaimsOptions<Run extends WaitingRun> = {
  /** Puts a claim to the database. */
  readonly claim: (run: Run, request: ClaimRequest, signal: AbortSignal) => Promise<string>;
  readonly outlooks: (keys: readonly RunKey[]) => Promise<readonly (RunOutlook | null)[]>;
  /** A look failed; it is made again. */
  readonly onLookFailed: (error: unknown) => void;
};

/** What ends a wait: a try at the database, or an answer without one. */
type WakeUp = 'Try' | 'Empty' | 'Expired';

type Waiter = { readonly wake: (why: WakeUp) => void };

type Room = {
  readonly key: RunKey;
  /** In the order in which they are woken. */
  readonly waiting: Waiter[];
  /** Workers whose last claim was vain, and what it was. */
  readonly idle: Map<string, string>;
  /** What the last claim of each worker was that came to the database: it is one of the run's, and holds what it says. */
  readonly known: Map<string, string>;
  /** Claims at the database that were woken for it. */
  trying: number;
  /** For so many more claims there may be work: only a look, or a claim that finds more, knows of others. */
  promised: number;
  /** Something was brought while a claim was at the database. */
  isStirred: boolean;
  /** The last look saw something due: it may be another gateway's, whose worker is on its way to it. */
  isDue: boolean;
  mark: string | undefined;
  vain: number;
  /** No lane is due before, by the last vain claim; and when a claim looked at all lanes. */
  dueFrom: number | null;
  lookedAtAll: number;
  /** When the last vain claim ended, and before when the next is not made; by `performance.now()`. */
  vainAt: number;
  notBefore: number;
  usedAt: number;
  /** Wakes the first in line, then. */
  timer: NodeJS.Timeout | undefined;
  timerAt: number;
};

export function createWaitingClaims<Run extends WaitingRun>(options: WaitingClaimsOptions<Run>): WaitingClaims<Run> {
  const rooms = new Map<RunKey, Room>();
  let size = 0;
  let isDraining = false;
  let looking = false;
  let nextLook: NodeJS.Timeout | undefined;
  let nextLookAt = Number.POSITIVE_INFINITY;
  /** When a look ended, and before when there is none at all rooms. */
  let lookedAt = Number.NEGATIVE_INFINITY;
  let atAllFrom = Number.NEGATIVE_INFINITY;
  /** Rooms that are looked at first: something has changed since their last look, or has to be seen twice. */
  const fresh = new Set<Room>();

  function roomOf(key: RunKey): Room {
    const known = rooms.get(key);
    if (known !== undefined) return known;
    const room: Room = {
      ...{
        key,
        waiting: [],
        idle: new Map(),
        known: new Map(),
        trying: 0,
        promised: 0,
        isStirred: false,
        isDue: false,
        mark: undefined,
        vain: 0,
      },
      ...{ dueFrom: null, lookedAtAll: Number.NEGATIVE_INFINITY },
      ...{ vainAt: Number.NEGATIVE_INFINITY, notBefore: 0, usedAt: performance.now() },
      ...{ timer: undefined, timerAt: Number.POSITIVE_INFINITY },
    };
    rooms.set(key, room);
    return room;
  }

  /** Lets the first in line try, unless another one is trying: if it finds work, it wakes the next. */
  function wakeOne(room: Room): void {
    if (room.trying > 0) return;
    cancelTimer(room);
    room.waiting[0]?.wake('Try');
  }

  /** There may be work for everybody. */
  function wakeMany(room: Room): void {
    room.promised = Number.POSITIVE_INFINITY;
    wakeOne(room);
  }

  /** Wakes the first in line then, or earlier where that was said before. */
  function wakeAt(room: Room, at: number): void {
    const due = Math.max(at, room.notBefore);
    const delay = due - performance.now();
    if (delay <= 0) {
      wakeMany(room);
      return;
    }
    if (due >= room.timerAt) return;
    clearTimeout(room.timer);
    room.timerAt = due;
    room.timer = setTimeout(() => wakeMany(room), Math.ceil(delay));
  }

  function cancelTimer(room: Room): void {
    clearTimeout(room.timer);
    room.timerAt = Number.POSITIVE_INFINITY;
  }

  function wakeAll(room: Room, why: WakeUp): void {
    for (const waiter of [...room.waiting]) waiter.wake(why);
  }

  function stir(key: RunKey, brings: number): void {
    const room = rooms.get(key);
    if (room === undefined || brings === 0) return;
    room.promised += brings;
    room.idle.clear();
    room.isStirred = true;
    room.isDue = false;
    room.vainAt = Number.NEGATIVE_INFINITY;
    room.notBefore = 0;
    fresh.add(room);
    wakeOne(room);
  }

  /** Waits in the room, at its end or, after a vain try, at its front again. */
  async function wait(room: Room, deadline: number, isFirst: boolean, signal: AbortSignal): Promise<WakeUp> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<WakeUp>();
    const waiter: Waiter = { wake: resolve };
    if (isFirst) room.waiting.unshift(waiter);
    else room.waiting.push(waiter);
    size++;
    const expiry = setTimeout(() => resolve('Expired'), Math.max(0, deadline - performance.now()));
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (room.mark === undefined) fresh.add(room);
    planLook();
    try {
      return await promise;
    } finally {
      clearTimeout(expiry);
      signal.removeEventListener('abort', abort);
      room.waiting.splice(room.waiting.indexOf(waiter), 1);
      size--;
      room.usedAt = performance.now();
    }
  }

  async function attempt(room: Room, run: Run, request: ClaimRequest, signal: AbortSignal): Promise<string> {
    room.trying++;
    room.isStirred = false;
    try {
      if (request.dueFrom === null) room.lookedAtAll = performance.now();
      const answer = await options.claim(run, request, signal);
      room.trying--;
      settle(room, answer, request);
      return answer;
    } catch (error) {
      room.trying--;
      wakeAt(room, performance.now() + FIRST_BACK_OFF_MS);
      throw error;
    }
  }

  /** Draws from the answer of one what it means for those that wait. */
  function settle(room: Room, answer: string, request: ClaimRequest): void {
    const { workerId } = request;
    const vain = vainAnswer(answer);
    if (vain === undefined || vain.mayWait) room.known.set(workerId, sayingOf(request));
    if (vain === undefined) {
      room.vain = 0;
      room.notBefore = 0;
      room.mark = undefined;
      room.vainAt = Number.NEGATIVE_INFINITY;
      room.idle.delete(workerId);
      room.promised = Math.max(0, room.promised - 1);
      if (room.promised > 0) wakeOne(room);
      return;
    }
    room.dueFrom = vain.dueFrom;
    if (room.isStirred) return;
    room.promised = 0;
    const now = performance.now();
    room.idle.set(workerId, sayingOf(request));
    room.vainAt = now;
    room.notBefore = now + Math.min(FIRST_BACK_OFF_MS * 2 ** room.vain, MAX_BACK_OFF_MS);
    room.vain = Math.min(room.vain + 1, 10);
  }

  /** What other claims gave back behind it while this run's waited is found by a look at all lanes. */
  function nextDueFrom(room: Room): number | null {
    return performance.now() - room.lookedAtAll < LOOK_AT_ALL_EVERY_MS ? room.dueFrom : null;
  }

  /** Whether a claim like this one was vain just now, and nothing has happened since. */
  function isKnownToBeVain(room: Room, request: ClaimRequest): boolean {
    return room.idle.get(request.workerId) === sayingOf(request) && performance.now() - room.vainAt < VAIN_FOR_MS;
  }

  /**
   * Whether others wait already: what comes wakes the first of them, so a claim that would go past them costs the database a
   * look in vain. A worker that nobody knows yet, or that begins anew, has something to say there first.
   */
  function mayQueueUp(room: Room, request: ClaimRequest): boolean {
    return room.waiting.length > 0 && room.known.get(request.workerId) === sayingOf(request);
  }

  async function claim(run: Run, request: ClaimRequest, held: HeldTime, signal: AbortSignal): Promise<string> {
    const began = performance.now();
    const deadline = began + request.waitMs;
    const room = roomOf(run.key);
    const mayWait = () =>
      !isDraining && performance.now() < deadline && room.waiting.length < 2 * run.workers + MOST_BESIDE_WORKERS;
    let isFirst = false;
    let next = request;
    let isKnown = mayWait() && (isKnownToBeVain(room, request) || mayQueueUp(room, request));
    for (;;) {
      if (!isKnown) {
        held.ms = performance.now() - began;
        const answer = await attempt(room, run, next, signal);
        const vain = vainAnswer(answer);
        if (vain === undefined || !vain.mayWait || !mayWait()) return answer;
        // What was brought while the claim was on its way, it may not have seen.
        if (vain.isToRetry || (room.isStirred && room.trying === 0)) continue;
      }
      isKnown = false;
      const why = await wait(room, deadline, isFirst, signal);
      isFirst = true;
      if (why !== 'Try') {
        held.ms = performance.now() - began;
        return waitAnswer(why === 'Empty' ? EMPTY_RETRY_MS : 0, room.dueFrom);
      }
      next = { ...request, dueFrom: nextDueFrom(room) };
    }
  }

  function planLook(): void {
    if (looking || size === 0) return;
    const isSome = [...fresh].some(({ waiting }) => waiting.length > 0);
    const at = isSome ? Math.min(lookedAt + LOOK_AT_SOME_EVERY_MS, atAllFrom) : atAllFrom;
    if (at >= nextLookAt) return;
    clearTimeout(nextLook);
    nextLookAt = at;
    nextLook = setTimeout(() => void look(), Math.max(0, Math.ceil(at - performance.now())));
  }

  async function look(): Promise<void> {
    looking = true;
    const began = performance.now();
    const isAtAll = began >= atAllFrom;
    const looked = [...(isAtAll ? rooms.values() : fresh)].filter(({ waiting }) => waiting.length > 0);
    for (const room of looked) fresh.delete(room);
    try {
      if (looked.length > 0) {
        const outlooks = await options.outlooks(looked.map(({ key }) => key));
        for (const [index, room] of looked.entries()) heed(room, outlooks[index] ?? null);
      }
    } catch (error) {
      options.onLookFailed(error);
    }
    looking = false;
    forgetUnused();
    lookedAt = performance.now();
    nextLookAt = Number.POSITIVE_INFINITY;
    if (isAtAll) atAllFrom = lookedAt + Math.max(LOOK_EVERY_MS, LOOK_SHARE * (lookedAt - began));
    planLook();
  }

  function heed(room: Room, outlook: RunOutlook | null): void {
    // The token is not good any more, or the run ends: each of them is told by the database itself.
    if (outlook === null || outlook.isEnding) {
      wakeAll(room, 'Try');
      return;
    }
    if (outlook.isEmpty) {
      wakeAll(room, 'Empty');
      return;
    }
    const now = performance.now();
    const { mark = outlook.mark } = room;
    // Between the last vain claim and the first look something may have changed that no look shows any more.
    if (room.mark === undefined && outlook.isHeldBack) wakeAt(room, now + FIRST_LOOK_TRY_MS);
    room.mark = outlook.mark;
    const wasDue = room.isDue;
    room.isDue = outlook.dueInMs === 0;
    if (outlook.mark !== mark) {
      room.idle.clear();
      wakeAt(room, now);
    } else if (room.isDue && !wasDue) {
      // The gateway that has brought it wakes a worker of its own. What it leaves is there the next time.
      fresh.add(room);
    } else if (outlook.dueInMs !== null) wakeAt(room, now + outlook.dueInMs);
  }

  function forgetUnused(): void {
    const now = performance.now();
    for (const room of rooms.values()) {
      if (room.waiting.length > 0 || room.trying > 0 || now - room.usedAt < FORGET_AFTER_MS) continue;
      cancelTimer(room);
      fresh.delete(room);
      rooms.delete(room.key);
    }
  }

  return {
    claim,
    stir,
    drain() {
      isDraining = true;
      clearTimeout(nextLook);
      for (const room of rooms.values()) {
        cancelTimer(room);
        wakeAll(room, 'Expired');
      }
    },
    get size() {
      return size;
    },
  };
}

/** What a claim tells the database of its worker: one that says the same as before brings it nothing new. */
function sayingOf({ slots, epoch }: ClaimRequest): string {
  return `${slots} ${epoch}`;
}

type VainAnswer = {
  /** Whether waiting may help: a run without its seeds waits for a worker that puts them in. */
  readonly mayWait: boolean;
  /** The claim has done some work of the run's, and is to come again at once. */
  readonly isToRetry: boolean;
  readonly dueFrom: number | null;
};

/** Of a claim that brought nothing; undefined for any other answer. */
function vainAnswer(answer: string): VainAnswer | undefined {
  // Only claims are long, and they need not be read here.
  if (answer.length > 300) return undefined;
  const { state, retryInMs, isSeeded, dueFrom } = JSON.parse(answer) as Record<string, unknown>;
  if (state !== 'Wait') return undefined;
  return {
    ...{ mayWait: isSeeded !== false, isToRetry: retryInMs === 0 },
    dueFrom: typeof dueFrom === 'number' ? dueFrom : null,
  };
}

function waitAnswer(retryInMs: number, dueFrom: number | null): string {
  return JSON.stringify({ state: 'Wait', retryInMs, dueFrom });
}

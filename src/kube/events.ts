// Kubernetes Events about our objects, as `kubectl describe` shows them: repeats counted, floods cut, never in the way.
//
// The first of its kind is sent at once. The same again within six minutes only counts up, and the count is sent now
// and then (after 10 s, 20 s, 40 s … 6 min). New kinds about one object are limited, as a loop that puts a changing
// number into the message would fill etcd.
import type { Logger } from '../telemetry/logger.ts';
import type { KubeApi } from './client.ts';
import { createDelayQueue } from './delay-queue.ts';
import { isAlreadyExists, isForbidden, isInvalid, isNotFound } from './kube-error.ts';
import { type KubeObject, objectKey, type ResourceType } from './kube-object.ts';
import type { KubeMetrics } from './metrics.ts';
import { microTime } from './time.ts';
import { createTokenBucket, type TokenBucket } from './token-bucket.ts';
import type { Urgency } from './urgency.ts';

export interface EventRecorderOptions {
  api: KubeApi;
  /** Who reports, for example `trawler.dev/operator`. */
  controller: string;
  /** Which process reports: the pod's name. */
  instance: string;
  logger: Logger;
  metrics: KubeMetrics;
  /** Ends the recorder after what is queued has been sent, within a few seconds. */
  signal: AbortSignal;
  /** Events wait while something urgent does. */
  urgency?: Urgency;
}

export interface EventNote {
  type: 'Normal' | 'Warning';
  /** Why, in CamelCase: from a fixed list. */
  reason: string;
  /** What was done or tried, in CamelCase, for example `CreateRun`. */
  action: string;
  /** For people; cut at 1,024 bytes. */
  message: string;
}

export interface EventRecorder {
  /** Queues the event and returns at once; a failure to send is logged and counted, never thrown. */
  record(object: KubeObject, note: EventNote): void;
  /** Resolves when the signal was aborted and the queue is sent. */
  readonly done: Promise<void>;
}

/** The API group that has `series`; `kubectl describe` shows its events like those of the core group. */
const EVENTS: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
};
const LONGEST_NOTE_BYTES = 1024;
/** An event that was quiet for so long is a new one when it comes again. */
const SERIES_MS = 6 * 60_000;
const FIRST_COUNT_MS = 10_000;
/** New kinds of events about one object: so many at once, then one every five minutes. */
const SPAM_LIMIT = { burst: 25, perSecond: 1 / 300 };
/** Kinds remembered at once; above it, the API server is away or something is very wrong. */
const MOST_SERIES = 5_000;
const SWEEP_MS = 30_000;
const RETRY_MS = 5_000;
const ATTEMPTS = 5;
const LAST_SEND_MS = 3_000;

interface EventObject extends KubeObject {
  eventTime: string;
  type: string;
  reason: string;
  action: string;
  note: string;
  regarding: object;
  reportingController: string;
  reportingInstance: string;
  series?: { count: number; lastObservedTime: string };
}

/** One kind of event about one object. */
interface Series {
  event: Omit<EventObject, 'metadata' | 'apiVersion' | 'kind'> & { metadata: { namespace: string; name: string } };
  count: number;
  lastObserved: Date;
  /** The count that the API server knows; 0: the event is not there yet. */
  sentCount: number;
  /** Until the next count is sent; doubles. */
  quietMs: number;
  failures: number;
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { controller, instance, logger, metrics, signal, urgency } = options;
  const events = options.api.resource<EventObject>(EVENTS);
  const allSeries = new Map<string, Series>();
  const limits = new Map<string, TokenBucket>();
  const unsent = createDelayQueue();
  const done = Promise.withResolvers<void>();
  const giveUp = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  let sweptAt = performance.now();

  function record(object: KubeObject, note: EventNote): void {
    const key = JSON.stringify([object.metadata.uid, note.type, note.reason, note.action, note.message]);
    const known = allSeries.get(key);
    const refusal = signal.aborted ? 'the recorder has stopped' : undefined;
    if (refusal === undefined && known !== undefined && isLive(known)) countUp(key, known);
    else begin(key, object, note, refusal);
    wakeUp();
  }

  function countUp(key: string, series: Series): void {
    series.count += 1;
    series.lastObserved = new Date();
    metrics.events.inc({ result: 'counted' });
    unsent.schedule(key, performance.now() + series.quietMs);
  }

  function begin(key: string, object: KubeObject, note: EventNote, refusal: string | undefined): void {
    const cause = refusal ?? reasonToDrop(object, note);
    if (cause !== undefined) {
      metrics.events.inc({ result: 'dropped' });
      logger.debug({ object: objectKey(object.metadata), reason: note.reason, cause }, 'event dropped');
      return;
    }
    allSeries.set(key, newSeries(object, note, controller, instance));
    unsent.schedule(key, performance.now());
  }

  function reasonToDrop({ metadata }: KubeObject, { type }: EventNote): string | undefined {
    forgetOld();
    if (allSeries.size >= MOST_SERIES) return 'too many kinds of events';
    // Warnings have a limit of their own: a schedule that runs each minute must not use it up with good news.
    const key = `${type} ${metadata.uid}`;
    const limit = limits.get(key) ?? createTokenBucket(SPAM_LIMIT);
    limits.set(key, limit);
    return limit.tryTake() ? undefined : 'too many events about this object';
  }

  function forgetOld(): void {
    if (performance.now() - sweptAt < SWEEP_MS) return;
    sweptAt = performance.now();
    for (const [key, series] of allSeries) {
      if (!isLive(series) && series.count === series.sentCount) allSeries.delete(key);
    }
    for (const [key, limit] of limits) if (limit.isFull()) limits.delete(key);
  }

  function wakeUp(): void {
    const dueAt = unsent.nextDueAt();
    clearTimeout(timer);
    if (sending !== undefined || dueAt === undefined || signal.aborted) return;
    timer = setTimeout(
      () => {
        sending = sendDue();
      },
      Math.max(0, dueAt - performance.now()),
    );
  }

  async function sendDue(): Promise<void> {
    for (const key of unsent.takeDue(performance.now())) {
      await urgency?.calm(signal).catch(() => undefined);
      // What is left when the recorder stops is sent by stop().
      if (!signal.aborted) await sendOne(key);
    }
    sending = undefined;
    wakeUp();
  }

  async function sendOne(key: string): Promise<void> {
    const series = allSeries.get(key);
    if (series === undefined || series.count === series.sentCount) return;
    const { count } = series;
    try {
      await write(series, count);
      if (series.sentCount > 0) series.quietMs = Math.min(SERIES_MS, series.quietMs * 2);
      series.sentCount = count;
      series.failures = 0;
      metrics.events.inc({ result: 'sent' });
    } catch (error) {
      failed(key, series, error);
    }
  }

  /** Creates the event, or counts it up; the API server forgets events after an hour. */
  async function write(series: Series, count: number): Promise<void> {
    const options = { signal: giveUp.signal };
    const counted = { count, lastObservedTime: microTime(series.lastObserved) };
    try {
      if (series.sentCount > 0) {
        await events.patch(series.event.metadata, { type: 'merge', body: { series: counted } }, options);
        return;
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    try {
      await events.create(count > 1 ? { ...series.event, series: counted } : series.event, options);
    } catch (error) {
      // The answer to an earlier attempt was lost.
      if (!isAlreadyExists(error)) throw error;
    }
  }

  function failed(key: string, series: Series, error: unknown): void {
    series.failures += 1;
    // Refused for good: no right to, or the namespace is being deleted.
    const hopeless = isForbidden(error) || isInvalid(error) || isNotFound(error) || series.failures >= ATTEMPTS;
    logger[hopeless ? 'warn' : 'debug']({ reason: series.event.reason, err: error }, 'event could not be sent');
    if (hopeless) {
      metrics.events.inc({ result: 'failed' });
      allSeries.delete(key);
    } else {
      unsent.schedule(key, performance.now() + RETRY_MS);
    }
  }

  async function stop(): Promise<void> {
    clearTimeout(timer);
    const deadline = setTimeout(() => giveUp.abort(new Error('the recorder has stopped')), LAST_SEND_MS);
    await sending;
    for (const key of allSeries.keys()) await sendOne(key);
    clearTimeout(deadline);
    done.resolve();
  }

  if (signal.aborted) void stop();
  else signal.addEventListener('abort', () => void stop(), { once: true });
  return { record, done: done.promise };
}

function isLive(series: Series): boolean {
  return Date.now() - series.lastObserved.getTime() < SERIES_MS;
}

function newSeries(object: KubeObject, note: EventNote, controller: string, instance: string): Series {
  const now = new Date();
  const { metadata, apiVersion, kind } = object;
  return {
    event: {
      metadata: {
        // Events about cluster-scoped objects belong to this namespace, as the API server demands.
        namespace: metadata.namespace ?? 'default',
        name: `${metadata.name.slice(0, 230)}.${crypto.randomUUID().slice(-12)}`,
      },
      eventTime: microTime(now),
      type: note.type,
      reason: note.reason,
      action: note.action,
      note: cutToBytes(note.message, LONGEST_NOTE_BYTES),
      regarding: {
        apiVersion,
        kind,
        name: metadata.name,
        uid: metadata.uid,
        resourceVersion: metadata.resourceVersion,
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      },
      reportingController: controller,
      reportingInstance: instance,
    },
    count: 1,
    lastObserved: now,
    sentCount: 0,
    quietMs: FIRST_COUNT_MS,
    failures: 0,
  };
}

/** At most so many bytes of UTF-8, never half a character. */
function cutToBytes(text: string, bytes: number): string {
  const encoded = Buffer.from(text, 'utf8');
  if (encoded.length <= bytes) return text;
  return new TextDecoder().decode(encoded.subarray(0, bytes - 3), { stream: true }).concat('…');
}

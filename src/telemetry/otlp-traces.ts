// Sends traces to a receiver of OTLP over HTTP. It is loaded only where traces are wanted.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Context,
  DiagLogLevel,
  diag,
  type HrTime,
  ROOT_CONTEXT,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BatchSpanProcessor, RandomIdGenerator, TracerProvider } from '@opentelemetry/sdk-trace';
import { runSpanIdOf, type Span, type Traces, type TracesOptions, traceIdOf } from './traces.ts';

/** For one request to the receiver, with its retries. */
const EXPORT_MS = 5_000;
/** How long a process that ends waits for a receiver. */
const CLOSE_MS = 2_000;

export function sendTraces({ url, service, process, logger }: TracesOptions): Traces {
  const warn = (message: string) => logger.warn({ error: message }, 'traces were not sent');
  const silent = () => {};
  diag.setLogger({ error: warn, warn, info: silent, debug: silent, verbose: silent }, { logLevel: DiagLogLevel.WARN });
  const ids = createIds();
  const exporter = new OTLPTraceExporter({ url: `${url.replace(/\/$/, '')}/v1/traces`, timeoutMillis: EXPORT_MS });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': `trawler-${service}`, ...process }),
    sampler: new AlwaysOnSampler(),
    idGenerator: ids,
    // Where the receiver is slow or away, what does not fit into its queue is lost: the work does not wait for it.
    spanProcessors: [new BatchSpanProcessor({ exporter, exportTimeoutMillis: EXPORT_MS })],
  });
  const tracer = provider.getTracer('trawler');

  function add(within: Context, { name, from, to, attributes = {}, error, parts = [] }: Span): void {
    const span = tracer.startSpan(name, { startTime: hrTime(from), attributes }, within);
    if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
    for (const part of parts) add(trace.setSpan(within, span), part);
    span.end(hrTime(to));
  }

  return {
    addRun(runId, span) {
      ids.next(traceIdOf(runId), runSpanIdOf(runId));
      add(ROOT_CONTEXT, span);
    },
    add(runId, span) {
      const run = { traceId: traceIdOf(runId), spanId: runSpanIdOf(runId), traceFlags: TraceFlags.SAMPLED };
      add(trace.setSpanContext(ROOT_CONTEXT, { ...run, isRemote: true }), span);
    },
    async close() {
      const done = new AbortController();
      const late = sleep(CLOSE_MS, undefined, { signal: done.signal })
        .then(() => warn(`the receiver has not taken them within ${CLOSE_MS} ms`))
        .catch(() => undefined);
      await Promise.race([provider.shutdown().catch((error: unknown) => warn(String(error))), late]);
      done.abort();
      diag.disable();
    },
  };
}

/** Random, but for the span of a run, which others name as its parent before it is there. */
function createIds() {
  const random = new RandomIdGenerator();
  let traceId: string | undefined;
  let spanId: string | undefined;
  return {
    /** For the next span without a parent. */
    next(ofTrace: string, ofSpan: string) {
      traceId = ofTrace;
      spanId = ofSpan;
    },
    generateTraceId() {
      const id = traceId ?? random.generateTraceId();
      traceId = undefined;
      return id;
    },
    generateSpanId() {
      const id = spanId ?? random.generateSpanId();
      spanId = undefined;
      return id;
    },
  };
}

/** Numbers alone would be taken for times of this process, where they are before its start. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}

// Traces: one of each run, to which its workers and the operator add spans without knowing of each other.
import type { Logger } from './logger.ts';

/** Something that took some time, and what it was made of. Times are milliseconds since 1970. */
export type Span = {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  /** Why it failed; absent where it did not. */
  readonly error?: string;
  readonly parts?: readonly Span[];
};

export type Traces = {
  /** The whole run; of several calls for one run each describes the same span. */
  readonly addRun: (runId: string, span: Span) => void;
  /** A part of a run. */
  readonly add: (runId: string, span: Span) => void;
  /** Sends what is left, as far as that takes no longer than some seconds. Never rejects. */
  readonly close: () => Promise<void>;
};

export type TracesOptions = {
  /** Of a receiver of OTLP over HTTP, such as http://collector:4318. */
  readonly url: string;
  readonly service: string;
  /** Further attributes of this process, by the names that OpenTelemetry has for them. */
  readonly process: Readonly<Record<string, string>>;
  /** Is told that spans were lost. */
  readonly logger: Logger;
};

/** The trace of a run, 32 hexadecimal digits: all who know the run's UID know it. */
export function traceIdOf(runId: string): string {
  return runId.replaceAll('-', '');
}

/** The span of the whole run, 16 hexadecimal digits. */
export function runSpanIdOf(runId: string): string {
  return traceIdOf(runId).slice(16);
}

/** The same logger, whose lines of a run (`run`) name the run's trace, too. */
export function withTraceIds(logger: Logger): Logger {
  const log = (line: object) =>
    'run' in line && typeof line.run === 'string' ? { ...line, trace_id: traceIdOf(line.run) } : line;
  return logger.child({}, { formatters: { log } });
}

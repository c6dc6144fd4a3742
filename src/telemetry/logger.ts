// JSON logs by pino: RFC 3339 time, level as text, and the service (and run, request) a line belongs to.
import { type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * A logger that writes one JSON object a line to standard output; on a terminal the lines are made readable.
 * Bindings (for example `run` and `worker`) appear on every line.
 */
export function createLogger(service: string, level: LogLevel = 'info', bindings: Record<string, string> = {}): Logger {
  return pino({
    level,
    base: { service, ...bindings },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    ...(process.stdout.isTTY ? { transport: { target: 'pino-pretty' } } : {}),
  });
}

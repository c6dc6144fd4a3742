// JSON logs by pino: RFC 3339 time, level as text, and the service (and run, request) a line belongs to.
import { type Logger, type LoggerOptions, multistream, pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
/** Takes lines, and must neither wait nor throw. */
export type LineSink = { write(line: string): void };

export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * A logger that writes one JSON object a line to standard output; on a terminal the lines are made readable.
 * Bindings (for example `run` and `worker`) appear on every line.
 * @param also takes each line, too, with its end
 */
export function createLogger(
  service: string,
  level: LogLevel = 'info',
  bindings: Record<string, string> = {},
  also?: LineSink,
): Logger {
  const options: LoggerOptions = {
    level,
    base: { service, ...bindings },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  if (also !== undefined) {
    // Each stream of several has a level of its own: the logger's counts.
    const streams = [pino.destination(1), also].map((stream) => ({ stream, level: 'trace' as const }));
    return pino(options, multistream(streams));
  }
  return pino({ ...options, ...(process.stdout.isTTY ? { transport: { target: 'pino-pretty' } } : {}) });
}

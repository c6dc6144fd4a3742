// Lines of the log that programs may look for: their text (`msg`) stays from release to release. docs/logs.md is made of it.
import type { LogLevel } from './logger.ts';

export type LogProcess = 'operator' | 'gateway' | 'server' | 'crawler';

export type LogEvent = {
  /** What stands in `msg`. */
  readonly message: string;
  readonly level: LogLevel;
  readonly from: readonly LogProcess[];
  /** Fields that such a line has, beside those of every line. */
  readonly fields: readonly string[];
  readonly meaning: string;
};

const ALL: readonly LogProcess[] = ['operator', 'gateway', 'server', 'crawler'];
const OF_RUN = ['run', 'namespace', 'name'] as const;

export const LOG_EVENTS = {
  serviceStarting: {
    ...{ message: 'service starting', level: 'info', from: ALL, fields: [] },
    meaning: 'The process has its configuration and begins.',
  },
  configRefused: {
    ...{ message: 'failed to load config', level: 'fatal', from: ALL, fields: [] },
    meaning:
      'A setting is missing or wrong: the error names its key. The process ends with code 78, a crawler with 64.',
  },
  databaseConnected: {
    ...{
      message: 'database connected',
      level: 'info',
      from: ['operator', 'gateway', 'server'],
      fields: ['host', 'database'],
    },
    meaning: 'PostgreSQL has taken a connection: the first one, and the first one after connections broke.',
  },
  schedulerStarted: {
    ...{ message: 'scheduler started', level: 'info', from: ['operator'], fields: ['schedules', 'runs'] },
    meaning: 'This operator leads, knows all schedules and runs, and makes runs from now on.',
  },
  runStarted: {
    ...{ message: 'run started', level: 'info', from: ['operator', 'crawler'], fields: OF_RUN },
    meaning: 'The operator: the first worker of the run has given a heartbeat. A crawler: it knows its run and begins.',
  },
  pageFailed: {
    ...{
      message: 'task processing failed',
      level: 'warn',
      from: ['crawler'],
      fields: ['url', 'source', 'attempt', 'cause', 'error'],
    },
    meaning: 'A page was given up after its retries: a dead letter.',
  },
  crawlBlocked: {
    ...{ message: 'crawler blocked detected', level: 'warn', from: ['operator', 'crawler'], fields: [] },
    meaning:
      'The operator: a host (`host`, `evidence`) refuses pages of the run, once for each host. A crawler: a page (`url`, `error`) was refused and is tried again.',
  },
  proxySwitched: {
    ...{ message: 'proxy switched', level: 'info', from: ['operator', 'crawler'], fields: ['host', 'viaProxy'] },
    meaning: 'A host is requested by the proxy from now on, or directly again.',
  },
  sourceFailed: {
    ...{ message: 'source failed', level: 'warn', from: ['operator'], fields: [...OF_RUN, 'source'] },
    meaning: 'A run has ended and no page of this source succeeded; `error` is its last failure.',
  },
  runFinished: {
    ...{ message: 'run finished', level: 'info', from: ['operator', 'crawler'], fields: [] },
    meaning:
      'The operator: the run has ended (`outcome`, `message`). A crawler: no page is left, with what it did itself.',
  },
  shutdownSignal: {
    ...{ message: 'shutdown signal received', level: 'info', from: ALL, fields: ['signal'] },
    meaning: 'The process ends what is under way, and then itself.',
  },
} as const satisfies Record<string, LogEvent>;

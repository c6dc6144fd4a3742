// `kubectl trawler sources`, `workers` and `hosts`: what a run consists of, as PostgreSQL knows it.
import type { Command } from 'commander';
import type { RunHost, RunSource, RunWorker } from '../../server/runs/run-detail-routes.ts';
import { positive } from '../options.ts';
import { type Column, seconds } from '../table.ts';
import { type Format, formatOption, pagesOf, printRows } from './rows.ts';
import { globalOptions, namespaceOf, untilInterrupted } from './session.ts';
import { type TrawlerServer, withServer, withServerOptions } from './trawler-server.ts';

type Options = { readonly output: Format; readonly limit: number };

const SOURCES: readonly Column<RunSource>[] = [
  ['SOURCE', ({ name }) => name],
  ['RESULT', ({ result = '', active }) => (active ? result : 'Inactive')],
  ['DONE', ({ percentage }) => `${percentage}%`],
  ['KNOWN', ({ known }) => String(known)],
  ['WAITING', ({ waiting }) => String(waiting)],
  ['OPEN', ({ inProgress }) => String(inProgress)],
  ['SUCCEEDED', ({ succeeded }) => String(succeeded)],
  ['FAILED', ({ failed }) => String(failed)],
  ['SKIPPED', ({ skipped }) => String(skipped)],
  ['ITEMS', ({ items }) => String(items)],
];

const WORKERS: readonly Column<RunWorker>[] = [
  ['POD', ({ pod }) => pod],
  ['NODE', ({ node }) => node],
  ['STATE', ({ state, releasedAt }) => (releasedAt === undefined ? state : 'Gone')],
  ['HEARTBEAT', ({ lastHeartbeatAt }) => seconds(lastHeartbeatAt)],
  ['PAGES', ({ pagesInFlight, concurrency }) => `${pagesInFlight}/${concurrency}`],
  ['MEMORY', ({ memoryBytes }) => `${Math.round(memoryBytes / 1_048_576)}Mi`],
  ['ERRORS', ({ errors }) => String(errors)],
  ['URL', ({ currentUrl = '' }) => currentUrl],
];

const HOSTS: readonly Column<RunHost>[] = [
  ['HOST', ({ host }) => host],
  ['WAITING', ({ waiting }) => String(waiting)],
  ['NEXT', ({ nextAt }) => (nextAt === undefined ? '' : seconds(nextAt))],
  ['ROBOTS', ({ robots = '' }) => robots],
  ['DELAY', ({ crawlDelayMs }) => (crawlDelayMs === undefined ? '' : `${crawlDelayMs}ms`)],
  ['SLOWDOWN', ({ slowdown }) => (slowdown === 1 ? '' : `${slowdown}x`)],
  ['WAY', ({ viaProxy }) => (viaProxy ? 'proxy' : 'direct')],
  ['BLOCKS', ({ blocks }) => String(blocks)],
  ['WHY', ({ givenUp, outage, evidence }) => givenUp ?? outage ?? evidence ?? ''],
];

type NameOfRun = { readonly namespace: string; readonly name: string };
type ListOfRun<T> = (
  server: TrawlerServer,
  path: NameOfRun,
  limit: number,
  signal: AbortSignal,
) => AsyncGenerator<readonly T[]>;

export const sourcesOf: ListOfRun<RunSource> = (server, path, limit, signal) =>
  pagesOf((query) => {
    return server.GET('/api/v1/namespaces/{namespace}/runs/{name}/sources', { params: { path, query }, signal });
  }, limit);

export const workersOf: ListOfRun<RunWorker> = (server, path, limit, signal) =>
  pagesOf((query) => {
    return server.GET('/api/v1/namespaces/{namespace}/runs/{name}/workers', { params: { path, query }, signal });
  }, limit);

const hostsOf: ListOfRun<RunHost> = (server, path, limit, signal) =>
  pagesOf((query) => {
    return server.GET('/api/v1/namespaces/{namespace}/runs/{name}/hosts', { params: { path, query }, signal });
  }, limit);

export function addSources(program: Command): void {
  addDetail(program, 'sources', 'how far a run has come, source by source', SOURCES, sourcesOf);
}

export function addWorkers(program: Command): void {
  addDetail(program, 'workers', 'the pods of a run, as their last heartbeats showed them', WORKERS, workersOf);
}

export function addHosts(program: Command): void {
  addDetail(program, 'hosts', 'the hosts that a run asks: pace, robots.txt, blocks, outages', HOSTS, hostsOf);
}

function addDetail<T extends object>(
  program: Command,
  name: string,
  what: string,
  columns: readonly Column<T>[],
  list: ListOfRun<T>,
): void {
  const command = program
    .command(`${name} <run>`)
    .description(what)
    .option('--limit <count>', 'most rows', positive, 100)
    .addOption(formatOption());
  withServerOptions(command).action(async (run: string, { output, limit }: Options) => {
    const path = { namespace: namespaceOf(globalOptions(command)), name: run };
    await withServer(command, (server) => printRows(list(server, path, limit, untilInterrupted()), output, columns));
  });
}

// `kubectl trawler set rate`, `set concurrency` and `set workers`: a run under way goes faster or slower, without a restart.
import { type Command, InvalidArgumentError } from 'commander';
import { concurrencyPatch, ratePatch, workersPatch } from '../../custom-resources/run-edits.ts';
import { CRAWL_RUNS, type CrawlRun } from '../../custom-resources/types.ts';
import { positive } from '../options.ts';
import { report } from './report.ts';
import { findLiveRun, globalOptions, withSession } from './session.ts';

export function addSet(program: Command): void {
  const set = program.command('set').description('change the pace of a run under way; it holds within seconds');
  addNumber(set, 'rate', 'most documents asked of one host a second', perSecond, ratePatch);
  addNumber(set, 'concurrency', 'pages that each worker may have open at once', positive, concurrencyPatch);
  addNumber(set, 'workers', 'pods of the run', positive, workersPatch);
}

function addNumber(
  set: Command,
  name: string,
  what: string,
  parse: (text: string) => number,
  patchOf: (value: number) => object,
): void {
  set
    .command(`${name} <run>`)
    .description(what)
    .argument('<number>', what, parse)
    .action(async (run: string, value: number, _, command: Command) => {
      const options = globalOptions(command);
      await withSession(options, async (session) => {
        const { metadata } = await findLiveRun(session, run, 'change');
        const patch = { type: 'merge', body: patchOf(value) } as const;
        await session.api.resource<CrawlRun>(CRAWL_RUNS).patch(metadata, patch, { signal: session.signal });
      });
      report([run], options, `${name} set to ${value}`);
    });
}

function perSecond(text: string): number {
  const parsed = Number(text);
  if (text.trim() === '' || !(parsed > 0)) throw new InvalidArgumentError('write a number above 0');
  return parsed;
}

// `kubectl trawler watch`: a bar for each source of a run until its end, with its pace and when it will be done; plain lines without a terminal.
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { createLogUpdate } from 'log-update';
import { type CrawlRun, isFinished, phaseOf } from '../../custom-resources/types.ts';
import { barLine, plainLine, type ShownSource } from '../../local/progress-view.ts';
import type { RunSource } from '../../server/runs/run-detail-routes.ts';
import { type Outlook, outlookInWords, outlookOf, type Sample } from './outlook.ts';
import { sourcesOf } from './run-detail-commands.ts';
import { withServerIfAny } from './server-or-operator.ts';
import { findRun, globalOptions, type Session, withSession } from './session.ts';
import { withServerOptions } from './trawler-server.ts';

/** Its sources, or the whole run as one where no server tells of them. */
type Read = () => Promise<readonly ShownSource[]>;

const LOOK_EVERY_MS = 1_000;
const LINE_EVERY_MS = 5_000;
/** What the pace and the outlook are made of. */
const SAMPLES_OVER_MS = 30_000;
const MOST_BARS = 20;
/** As those of `trawler crawl`. */
const EXIT_CODES: Readonly<Record<string, number>> = { Succeeded: 0, Partial: 3 };

export function addWatch(program: Command): void {
  const command = program
    .command('watch <run>')
    .description('follow a run to its end: a bar for each source, its pace, and when it will be done');
  withServerOptions(command).action(async (name: string) => {
    await withSession(globalOptions(command), (session) =>
      withServerIfAny(command, session.signal, {
        server: (server) => {
          const path = { namespace: session.namespace, name };
          return watch(session, name, async () => {
            const found: ShownSource[] = [];
            for await (const page of sourcesOf(server, path, 1_000, session.signal)) {
              found.push(...page.filter(({ active }) => active).map(ofSource));
            }
            return found;
          });
        },
        operator: () => watch(session, name, async () => ofRun(await findRun(session, name))),
      }),
    );
  });
}

async function watch(session: Session, name: string, read: Read): Promise<void> {
  const update = process.stderr.isTTY ? createLogUpdate(process.stderr) : undefined;
  const history = new Map<string, Sample[]>();
  let nextLineAt = 0;
  for (;;) {
    const run = await findRun(session, name);
    const watched = await read();
    const outlooks = watched.map((one) => outlookOf(remember(history, one, Date.now())));
    const isAtEnd = isFinished(run);
    if (update !== undefined) update(barLines(watched, outlooks).join('\n'));
    else if (isAtEnd || Date.now() >= nextLineAt) {
      nextLineAt = Date.now() + LINE_EVERY_MS;
      process.stderr.write(`${textLine(watched, outlooks)}\n`);
    }
    if (isAtEnd) {
      update?.done();
      console.log(endLine(run));
      process.exitCode = EXIT_CODES[phaseOf(run)] ?? 1;
      return;
    }
    await delay(LOOK_EVERY_MS, undefined, { signal: session.signal });
  }
}

function remember(history: Map<string, Sample[]>, { name, progress }: ShownSource, at: number): readonly Sample[] {
  const done = progress.succeeded + progress.failed + progress.skipped;
  const kept = (history.get(name) ?? []).filter((sample) => at - sample.at <= SAMPLES_OVER_MS);
  const samples = [...kept, { at, done, known: progress.total }];
  history.set(name, samples);
  return samples;
}

export function barLines(watched: readonly ShownSource[], outlooks: readonly Outlook[]): string[] {
  const width = Math.max(0, ...watched.map(({ name }) => name.length));
  const bars = watched.slice(0, MOST_BARS).map((one, index) => {
    const outlook = outlooks[index] ?? { rate: 0 };
    return `${barLine(one, outlook.rate, width)}, ${outlookInWords(outlook)}`;
  });
  return watched.length > MOST_BARS ? [...bars, `and ${watched.length - MOST_BARS} more sources`] : bars;
}

export function textLine(watched: readonly ShownSource[], outlooks: readonly Outlook[]): string {
  const rates = outlooks.map(({ rate }) => rate);
  const slowest = outlooks.toSorted((a, b) => (b.secondsLeft ?? Infinity) - (a.secondsLeft ?? Infinity))[0];
  return `${plainLine(watched, rates)}; ${outlookInWords(slowest ?? { rate: 0 })}`;
}

function endLine(run: CrawlRun): string {
  const { message, progress } = run.status ?? {};
  const counts = `${progress?.succeeded ?? 0} pages, ${progress?.failed ?? 0} failed, ${progress?.items ?? 0} items`;
  return `${run.metadata.name} is ${phaseOf(run)}: ${message ?? counts}`;
}

function ofSource({ name, known, succeeded, failed, skipped, items }: RunSource): ShownSource {
  return { name, progress: { total: known, succeeded, failed, skipped, items } };
}

function ofRun({ metadata, status }: CrawlRun): ShownSource[] {
  const { total = 0, succeeded = 0, failed = 0, skipped = 0, items = 0 } = status?.progress ?? {};
  return [{ name: metadata.name, progress: { total, succeeded, failed, skipped, items } }];
}

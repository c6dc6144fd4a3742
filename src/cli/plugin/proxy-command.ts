// `kubectl trawler proxy test`: whether the proxy of a schedule works, as its pods reach it.
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { defined } from '../../resources/defined.ts';
import type { components } from '../../server/api-types.ts';
import { globalOptions, namespaceOf, untilInterrupted } from './session.ts';
import { answerOf, withServer, withServerOptions } from './trawler-server.ts';

type Finding = components['schemas']['ProxyTest'];

const POLL_MS = 1_000;

export function addProxy(program: Command): void {
  const proxy = program.command('proxy').description('the proxy that a schedule crawls by');
  const test = proxy
    .command('test <schedule>')
    .description('ask for one document by it, in a run of its own, and say what came back')
    .option(
      '--url <url>',
      'what is asked for, such as a page that tells your address; the first start URL when left out',
    );
  withServerOptions(test).action(async (schedule: string, { url }: { readonly url?: string }) => {
    const options = globalOptions(test);
    const namespace = namespaceOf(options);
    const signal = untilInterrupted();
    await withServer(test, async (server) => {
      const path = { namespace, name: schedule };
      const wanted = { params: { path }, body: defined({ url }), signal };
      const { run } = await answerOf(server.POST('/api/v1/namespaces/{namespace}/schedules/{name}/proxy-test', wanted));
      // As long as its run may last; Ctrl-C leaves the run alone.
      for (;;) {
        const params = { path: { namespace, name: run } };
        const found = await answerOf(
          server.GET('/api/v1/namespaces/{namespace}/runs/{name}/proxy-test', { params, signal }),
        );
        if (found.verdict !== 'Waiting') {
          console.log(options.json ? JSON.stringify(found) : inWords(schedule, found));
          process.exitCode = found.verdict === 'Works' ? 0 : 1;
          return;
        }
        await delay(POLL_MS, undefined, { signal });
      }
    });
  });
}

/** Pure. */
export function inWords(
  schedule: string,
  { run, url, verdict, status, durationMs, exitAddress, cause, message }: Finding,
): string {
  const why = [cause, message].filter((one) => one !== undefined).join(': ');
  switch (verdict) {
    case 'Works': {
      const answer = [
        `${url} answered ${status ?? 'a document'}`,
        ...(durationMs === undefined ? [] : [`in ${durationMs} ms`]),
      ];
      const exit = exitAddress === undefined ? '' : `; it goes out by ${exitAddress}`;
      return `the proxy of ${schedule} works: ${answer.join(' ')}${exit}`;
    }
    case 'Fails':
      return `the proxy of ${schedule} does not work: ${why}`;
    case 'Unclear':
      return `${url} did not answer by the proxy of ${schedule}: ${why}`;
    default:
      return `the proxy of ${schedule} was not tried; kubectl trawler explain ${run}${why === '' ? '' : `: ${why}`}`;
  }
}

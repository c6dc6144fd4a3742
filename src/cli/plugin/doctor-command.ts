// `kubectl trawler doctor`: looks at all that a crawl needs, and says what to do about what is not as it should be.
import { type Command, Option } from 'commander';
import { CRAWL_RUNS, CRAWL_SCHEDULES, type CrawlRun, type CrawlSchedule } from '../../custom-resources/types.ts';
import {
  LEASES,
  type Lease,
  PODS,
  type Pod,
  SELF_SUBJECT_REVIEWS,
  type SelfSubjectReview,
} from '../../kube/builtin-types.ts';
import {
  type Check,
  doctorLines,
  operatorCheck,
  podChecks,
  runsCheck,
  schedulesCheck,
  serverCheck,
  unreadCheck,
} from './doctor-checks.ts';
import { globalOptions, type Session, withSession } from './session.ts';
import { connectToServer, type ServerOptions, withServerOptions } from './trawler-server.ts';

const OPERATOR_LEASE = 'trawler-operator';

export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description('look at operator, gateway, server, schedules and runs, and say what to do')
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['text', 'json']).default('text'));
  withServerOptions(command).action(async ({ output, ...options }: ServerOptions & { readonly output: string }) => {
    const all = { ...globalOptions(command), ...options };
    const checks = await withSession(all, (session) => examine(session, all));
    console.log(output === 'json' || all.json ? JSON.stringify({ items: checks }) : doctorLines(checks).join('\n'));
    if (checks.some(({ state }) => state === 'failure')) process.exitCode = 1;
  });
}

/** What cannot be looked at is a failed check, and the rest is looked at all the same. */
async function examine({ api, namespace, signal }: Session, options: ServerOptions): Promise<Check[]> {
  const { systemNamespace } = options;
  const checked = async (name: string, check: () => Promise<Check | Check[]>): Promise<Check[]> =>
    check().then(
      (found) => [found].flat(),
      (error: unknown) => [unreadCheck(name, error)],
    );
  const parts = await Promise.all([
    checked('API server', async () => {
      const review = api.resource<SelfSubjectReview>(SELF_SUBJECT_REVIEWS);
      const { status } = await review.create({ metadata: { name: '' } }, { signal });
      return { name: 'API server', state: 'ok', message: `you are ${status?.userInfo?.username}` };
    }),
    checked('operator', async () => {
      const lease = { namespace: systemNamespace, name: OPERATOR_LEASE };
      return operatorCheck(await api.resource<Lease>(LEASES).get(lease, { signal }), systemNamespace, new Date());
    }),
    checked('pods', async () => {
      const own = { namespace: systemNamespace, labelSelector: 'app.kubernetes.io/name=trawler', signal };
      return podChecks((await api.resource<Pod>(PODS).list(own)).items, systemNamespace);
    }),
    checked("Trawler's server", async () => serverCheck(await troubleOfServer(options, signal))),
    checked('schedules', async () =>
      schedulesCheck((await api.resource<CrawlSchedule>(CRAWL_SCHEDULES).list({ namespace, signal })).items),
    ),
    checked('runs', async () =>
      runsCheck((await api.resource<CrawlRun>(CRAWL_RUNS).list({ namespace, signal })).items),
    ),
  ]);
  return parts.flat();
}

/** Undefined when all that it needs answers. */
export async function troubleOfServer(options: ServerOptions, signal: AbortSignal): Promise<Error | undefined> {
  try {
    const server = await connectToServer(options);
    try {
      await server.GET('/ready', { signal });
      return undefined;
    } finally {
      await server.close();
    }
  } catch (error) {
    if (error instanceof Error && !signal.aborted) return error;
    throw error;
  }
}

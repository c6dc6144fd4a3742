// `kubectl trawler notifications`: what a schedule has told its webhooks, sent again, or tried out; by Trawler's server or in the
// operator's pod.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { defined } from '../../resources/defined.ts';
import type { Delivery } from '../../server/schedules/delivery-routes.ts';
import { DELIVERY_COLUMNS, untilTested } from '../deliveries.ts';
import { positive } from '../options.ts';
import { runInOperator } from './in-operator.ts';
import { pagesOf, printRows } from './rows.ts';
import { withServerIfAny } from './server-or-operator.ts';
import {
  findSchedule,
  type Global,
  globalOptions,
  namespaceOf,
  UsageError,
  untilInterrupted,
  withSession,
} from './session.ts';
import { answerOf, type QueryOf, type ServerOptions, type TrawlerServer, withServerOptions } from './trawler-server.ts';

type Wanted = QueryOf<'/api/v1/namespaces/{namespace}/schedules/{name}/deliveries'>;
type Selection = { readonly target?: string; readonly state?: NonNullable<Wanted['state']>; readonly id?: string };
type Options = Selection & ServerOptions & { readonly limit: number; readonly all?: boolean };
type NameOfSchedule = { readonly namespace: string; readonly name: string };

/** What the words of the command ask for, by either way. */
type Ask = {
  readonly server: (server: TrawlerServer, path: NameOfSchedule, signal: AbortSignal) => Promise<void>;
  /** Words of the operator's program, which knows schedules by their UIDs. */
  readonly operator: (uid: string) => readonly string[];
};

const STATES = ['pending', 'delivered', 'failed', 'disabled'] as const;

export function addNotifications(program: Command): void {
  const notifications = program
    .command('notifications')
    .description('what schedules have told their webhooks: the log of deliveries, sent again, tried out');
  addList(notifications);
  addRedeliver(notifications);
  addTest(notifications);
}

function addList(notifications: Command): void {
  const list = notifications
    .command('list <schedule>')
    .description('deliveries, the newest first')
    .option('--target <name>', 'to one receiver')
    .addOption(new Option('--state <state>', 'in one state').choices(STATES))
    .option('--limit <count>', 'most rows', positive, 50);
  withServerOptions(list).action(async (name: string, { limit, target, state, ...options }: Options) => {
    const { json } = globalOptions(list);
    await ask(list, name, options, {
      server: (server, path, signal) =>
        printRows(
          deliveriesOf(server, path, defined({ target, state }), limit, signal),
          json ? 'jsonl' : 'table',
          DELIVERY_COLUMNS,
        ),
      operator: (uid) => [
        'list',
        ...flags(defined({ target, state })),
        '--limit',
        String(limit),
        '--schedule-uid',
        uid,
      ],
    });
  });
}

function addRedeliver(notifications: Command): void {
  const redeliver = notifications
    .command('redeliver <schedule>')
    .description('send again, with the ids that they had, what was given up or refused for good')
    .option('--id <id>', 'one notification, whatever became of it', uuid)
    .option('--target <name>', 'to one receiver')
    .option('--all', 'all that was given up or refused');
  withServerOptions(redeliver).action(async (name: string, { id, target, all, ...options }: Options) => {
    if ((all === true) === (id !== undefined || target !== undefined)) {
      throw new UsageError('say which: --id, --target, or else --all');
    }
    const which = defined({ id, target });
    await ask(redeliver, name, options, {
      server: async (server, path, signal) => {
        const redelivered = await sendAgain(server, path, which, signal);
        if (globalOptions(redeliver).json) console.log(JSON.stringify({ redelivered }));
        else console.log(`${redelivered} deliveries are sent again`);
      },
      operator: (uid) => ['redeliver', ...flags(which), '--schedule-uid', uid],
    });
  });
}

function addTest(notifications: Command): void {
  const test = notifications
    .command('test <schedule>')
    .description('send a message to one receiver and say what it answered')
    .requiredOption('--target <name>', 'the receiver');
  withServerOptions(test).action(async (name: string, { target = '', ...options }: Options) => {
    const shared = globalOptions(test);
    const [, { notifications: receivers }] = await withSession(shared, (session) => findSchedule(session, name));
    if (!receivers.some((receiver) => receiver.name === target)) {
      throw new UsageError(`CrawlSchedule "${name}" has no receiver "${target}" (spec.notifications)`);
    }
    await ask(test, name, options, {
      server: async (server, path, signal) => {
        const sent = await tryOut(server, path, target, signal);
        console.log(shared.json ? JSON.stringify(sent) : `${target} answered ${sent.status}`);
      },
      operator: (uid) => ['test', target, '-n', namespaceOf(shared), '--schedule', name, '--schedule-uid', uid],
    });
  });
}

/** By the server where there is one, else in the operator's pod, with its exit code. */
async function ask(
  command: Command,
  name: string,
  { systemNamespace }: Pick<ServerOptions, 'systemNamespace'>,
  { server, operator }: Ask,
): Promise<void> {
  const shared = globalOptions(command);
  const signal = untilInterrupted();
  await withServerIfAny(command, signal, {
    server: (one) => server(one, { namespace: namespaceOf(shared), name }, signal),
    operator: async () => {
      const words = operator(await uidOf(shared, name));
      const asked = ['notifications', ...words, ...(shared.json ? ['--json'] : [])];
      process.exitCode = await runInOperator(asked, { ...shared, systemNamespace });
    },
  });
}

async function uidOf(shared: Global, name: string): Promise<string> {
  const [{ metadata }] = await withSession(shared, (session) => findSchedule(session, name));
  return metadata.uid;
}

function deliveriesOf(
  server: TrawlerServer,
  path: NameOfSchedule,
  wanted: Wanted,
  limit: number,
  signal: AbortSignal,
): AsyncGenerator<readonly Delivery[]> {
  return pagesOf((page) => {
    const params = { path, query: { ...wanted, ...page } };
    return server.GET('/api/v1/namespaces/{namespace}/schedules/{name}/deliveries', { params, signal });
  }, limit);
}

/** How many deliveries are pending that were not: those of one notification, or those that were given up or refused for good. */
async function sendAgain(
  server: TrawlerServer,
  path: NameOfSchedule,
  { id, target }: Selection,
  signal: AbortSignal,
): Promise<number> {
  const queries: readonly Wanted[] =
    id === undefined
      ? (['failed', 'disabled'] as const).map((state) => ({ state, ...defined({ target }) }))
      : [{ notificationId: id, ...defined({ target }) }];
  let sent = 0;
  for (const query of queries) {
    for await (const page of deliveriesOf(server, path, query, Number.POSITIVE_INFINITY, signal)) {
      for (const { notificationId, target: to } of page) {
        const wanted = { params: { path }, body: { notificationId, target: to }, signal };
        const { was } = await answerOf(
          server.POST('/api/v1/namespaces/{namespace}/schedules/{name}/deliveries/redeliver', wanted),
        );
        if (was !== 'pending') sent += 1;
      }
    }
  }
  return sent;
}

/** The delivery that was taken. Rejects with a UsageError that says what the receiver answered. */
async function tryOut(
  server: TrawlerServer,
  path: NameOfSchedule,
  target: string,
  signal: AbortSignal,
): Promise<Delivery> {
  const wanted = { params: { path }, body: { target }, signal };
  const { notificationId } = await answerOf(
    server.POST('/api/v1/namespaces/{namespace}/schedules/{name}/deliveries/test', wanted),
  );
  const tested = await untilTested(
    target,
    async () => {
      for await (const [sent] of deliveriesOf(server, path, { notificationId }, 1, signal)) return sent;
      return undefined;
    },
    signal,
  );
  if (!tested.ok) throw new UsageError(tested.message);
  return tested.delivery;
}

function flags({ id, target, state }: Selection): string[] {
  return [
    ...(id === undefined ? [] : ['--id', id]),
    ...(target === undefined ? [] : ['--target', target]),
    ...(state === undefined ? [] : ['--state', state]),
  ];
}

function uuid(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text))
    throw new InvalidArgumentError('write an id of the list');
  return text;
}

// `kubectl trawler notifications`: what a schedule has told its webhooks, sent again, or tried out; in the operator's pod.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { positive } from '../options.ts';
import { runInOperator } from './in-operator.ts';
import { findSchedule, globalOptions, namespaceOf, UsageError, withSession } from './session.ts';
import { systemNamespaceOption } from './trawler-server.ts';

const STATES = ['pending', 'delivered', 'failed', 'disabled'];

type Options = {
  readonly systemNamespace: string;
  readonly target?: string;
  readonly state?: string;
  readonly id?: string;
  readonly limit?: number;
  readonly all?: boolean;
};

export function addNotifications(program: Command): void {
  const notifications = program
    .command('notifications')
    .description('what schedules have told their webhooks: the log of deliveries, sent again, tried out');
  const list = notifications
    .command('list <schedule>')
    .description('deliveries, the newest first')
    .option('--target <name>', 'to one receiver')
    .addOption(new Option('--state <state>', 'in one state').choices(STATES))
    .option('--limit <count>', 'most rows', positive, 50);
  withOperator(list, (options) => ['list', ...flags(options), '--limit', String(options.limit)]);

  const redeliver = notifications
    .command('redeliver <schedule>')
    .description('send again, with the ids that they had, what was given up or refused for good')
    .option('--id <id>', 'one notification, whatever became of it', uuid)
    .option('--target <name>', 'to one receiver')
    .option('--all', 'all that was given up or refused');
  withOperator(redeliver, (options) => {
    if ((options.all === true) === (options.id !== undefined || options.target !== undefined)) {
      throw new UsageError('say which: --id, --target, or else --all');
    }
    return ['redeliver', ...flags(options)];
  });

  const test = notifications
    .command('test <schedule>')
    .description('send a message to one receiver and say what it answered')
    .requiredOption('--target <name>', 'the receiver');
  test.addOption(systemNamespaceOption()).action(async (name: string, { systemNamespace, target = '' }: Options) => {
    const { uid, targets } = await scheduleOf(test, name);
    if (!targets.includes(target)) {
      throw new UsageError(`CrawlSchedule "${name}" has no receiver "${target}" (spec.notifications)`);
    }
    const options = globalOptions(test);
    const of = ['-n', namespaceOf(options), '--schedule', name, '--schedule-uid', uid];
    const command = ['notifications', 'test', target, ...of, ...(options.json ? ['--json'] : [])];
    process.exitCode = await runInOperator(command, { ...options, systemNamespace });
  });
}

function withOperator(command: Command, argsOf: (options: Options) => readonly string[]): void {
  command.addOption(systemNamespaceOption()).action(async (name: string, options: Options) => {
    const args = argsOf(options);
    const { uid } = await scheduleOf(command, name);
    const shared = globalOptions(command);
    const asked = ['notifications', ...args, '--schedule-uid', uid, ...(shared.json ? ['--json'] : [])];
    process.exitCode = await runInOperator(asked, { ...shared, systemNamespace: options.systemNamespace });
  });
}

/** The database knows schedules by their UIDs. */
async function scheduleOf(command: Command, name: string) {
  const [{ metadata }, spec] = await withSession(globalOptions(command), (session) => findSchedule(session, name));
  return { uid: metadata.uid, targets: spec.notifications.map((target) => target.name) };
}

function flags({ id, target, state }: Options): string[] {
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

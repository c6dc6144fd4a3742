// `kubectl trawler config`: what the plugin goes by: context, namespace, server, and what this person may do there.
import { type Command, Option } from 'commander';
import { SELF_SUBJECT_ACCESS_REVIEWS, type SelfSubjectAccessReview } from '../../kube/builtin-types.ts';
import { GROUP } from '../../resources/group.ts';
import { type Column, tableLines } from '../table.ts';
import { troubleOfServer } from './doctor-command.ts';
import { globalOptions, readKubeConfig, type Session, userOf, withSession } from './session.ts';
import { type ServerOptions, withServerOptions } from './trawler-server.ts';

type Right = {
  /** What needs it. */
  readonly commands: string;
  readonly verb: string;
  /** With its group, and its subresource behind a stroke. */
  readonly resource: string;
  readonly isInSystemNamespace?: true;
};

/** What the server asks for itself has verbs of Trawler's own. */
const RIGHTS: readonly Right[] = [
  { commands: 'explain, describe, watch', verb: 'get', resource: `crawlruns.${GROUP}` },
  { commands: 'next, describe', verb: 'list', resource: `crawlschedules.${GROUP}` },
  { commands: 'run, retry', verb: 'create', resource: `crawlruns.${GROUP}` },
  { commands: 'backfill plan', verb: 'create', resource: `crawlbackfills.${GROUP}` },
  { commands: 'backfill submit', verb: 'patch', resource: `crawlbackfills.${GROUP}` },
  { commands: 'pause, set, exclude, stop', verb: 'patch', resource: `crawlruns.${GROUP}` },
  { commands: 'suspend, resume, promote', verb: 'patch', resource: `crawlschedules.${GROUP}` },
  { commands: 'items, sources, logs', verb: 'get', resource: `crawlruns.${GROUP}` },
  { commands: 'dead requeue', verb: 'retry', resource: `crawlruns.${GROUP}` },
  { commands: 'dead clear', verb: 'clear', resource: `crawlruns.${GROUP}` },
  { commands: 'the way to the server', verb: 'get', resource: 'services/proxy', isInSystemNamespace: true },
  { commands: 'logs, history without it', verb: 'create', resource: 'pods/exec', isInSystemNamespace: true },
  { commands: 'notifications', verb: 'create', resource: 'pods/exec', isInSystemNamespace: true },
];

type Checked = Right & { readonly namespace: string; readonly allowed: boolean };

const COLUMNS: readonly Column<Checked>[] = [
  ['COMMANDS', ({ commands }) => commands],
  ['RIGHT', ({ verb, resource }) => `${verb} ${resource}`],
  ['NAMESPACE', ({ namespace }) => namespace],
  ['ALLOWED', ({ allowed }) => (allowed ? 'yes' : 'no')],
];

export function addConfig(program: Command): void {
  const command = program
    .command('config')
    .description('what is gone by: context, namespace, server, and what you may do there')
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['text', 'json']).default('text'));
  withServerOptions(command).action(async ({ output, ...own }: ServerOptions & { readonly output: string }) => {
    const options = { ...globalOptions(command), ...own };
    const config = readKubeConfig(options);
    await withSession(options, async (session) => {
      const trouble = await troubleOfServer(options, session.signal);
      const facts = {
        context: config.getCurrentContext(),
        cluster: config.getCurrentCluster()?.server ?? '',
        namespace: session.namespace,
        user: await userOf(session),
        systemNamespace: options.systemNamespace,
        server: options.server,
        serverState: trouble === undefined ? 'ready' : trouble.message,
      };
      const rights = await Promise.all(RIGHTS.map((right) => check(session, right, options.systemNamespace)));
      if (output === 'json' || options.json) {
        console.log(JSON.stringify({ ...facts, rights }));
        return;
      }
      const named = Object.entries(facts).map(([name, value]) => `${`${name}:`.padEnd(17)} ${value}`);
      console.log([...named, '', ...tableLines(COLUMNS, rights)].join('\n'));
    });
  });
}

async function check({ api, namespace, signal }: Session, right: Right, systemNamespace: string): Promise<Checked> {
  const where = right.isInSystemNamespace ? systemNamespace : namespace;
  const [named = '', subresource] = right.resource.split('/');
  const [resource = '', ...group] = named.split('.');
  const resourceAttributes = {
    ...{ verb: right.verb, resource, group: group.join('.'), namespace: where },
    ...(subresource === undefined ? {} : { subresource }),
  };
  const reviews = api.resource<SelfSubjectAccessReview>(SELF_SUBJECT_ACCESS_REVIEWS);
  const review = await reviews.create({ metadata: { name: '' }, spec: { resourceAttributes } }, { signal });
  return { ...right, namespace: where, allowed: review.status?.allowed === true };
}

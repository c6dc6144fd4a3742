// `kubectl trawler tokens`: for tools outside of the cluster that call Trawler's server.
import type { Command } from 'commander';
import { defined } from '../../resources/defined.ts';
import type { TokenShown } from '../../server/auth/token-routes.ts';
import { positive } from '../options.ts';
import { type Column, seconds } from '../table.ts';
import { type Format, formatOption, pagesOf, printRows } from './rows.ts';
import { globalOptions, untilInterrupted } from './session.ts';
import { answerOf, withServer, withServerOptions } from './trawler-server.ts';

type CreateOptions = { readonly role: TokenShown['role']; readonly in?: string[]; readonly days: number };

const COLUMNS: readonly Column<TokenShown>[] = [
  ['NAME', ({ name }) => name],
  ['ROLE', ({ role }) => role],
  ['NAMESPACES', ({ namespaces }) => namespaces?.join(',') ?? '(all)'],
  ['UNTIL', ({ expiresAt }) => seconds(expiresAt)],
  ['BY', ({ createdBy }) => createdBy],
];

export function addTokens(program: Command): void {
  const tokens = program.command('tokens').description("for tools outside of the cluster that call Trawler's server");
  addList(tokens);
  addCreate(tokens);
  addRevoke(tokens);
}

function addList(tokens: Command): void {
  const list = tokens
    .command('list')
    .description('all of them, also those that are over')
    .option('--in <namespace>', 'those that are good there')
    .addOption(formatOption());
  withServerOptions(list).action(
    async ({ in: namespace, output }: { readonly in?: string; readonly output: Format }) => {
      await withServer(list, async (server) => {
        const signal = untilInterrupted();
        const query = defined({ namespace });
        const all = pagesOf(() => server.GET('/api/v1/tokens', { params: { query }, signal }), 500);
        await printRows(all, output, COLUMNS);
      });
    },
  );
}

function addCreate(tokens: Command): void {
  const create = tokens
    .command('create <name>')
    .description('make one, and print it: nobody can read it again')
    .requiredOption('--role <role>', 'what it may do: viewer, operator or editor')
    .option('--in <namespaces...>', 'where; in all namespaces when left out')
    .option('--days <count>', 'for how long, at most 366', positive, 90);
  withServerOptions(create).action(async (name: string, { role, in: namespaces, days }: CreateOptions) => {
    await withServer(create, async (server) => {
      const body = { name, role, expiresInDays: days, ...defined({ namespaces }) };
      const made = await answerOf(server.POST('/api/v1/tokens', { body, signal: untilInterrupted() }));
      if (globalOptions(create).json) console.log(JSON.stringify(made));
      else {
        // The token alone goes to where a script reads it.
        console.error(`token ${name} is good until ${seconds(made.expiresAt)}; it is not shown again`);
        console.log(made.token);
      }
    });
  });
}

function addRevoke(tokens: Command): void {
  const revoke = tokens.command('revoke <name>').description('it is good for some seconds more at most');
  withServerOptions(revoke).action(async (name: string) => {
    await withServer(revoke, async (server) => {
      const wanted = { params: { path: { name } }, signal: untilInterrupted() };
      const answer = await answerOf(server.DELETE('/api/v1/tokens/{name}', wanted));
      if (globalOptions(revoke).json) console.log(JSON.stringify(answer));
      else console.log(`token ${name} revoked`);
    });
  });
}

// What may stand next on a command line of the plugin.
import { Command, Option } from 'commander';
import { expect, test } from 'vitest';
import { candidatesOf } from '#src/cli/plugin/candidates.ts';

const program = new Command('kubectl trawler').option('-n, --namespace <name>', '');
program.command('pause <run>').option('--note <text>', '');
program.command('describe <run-or-schedule>');
program.command('hidden', { hidden: true });
program.command('backfill').command('cancel <backfill>');
const dead = program.command('dead');
dead.command('list <run>').addOption(new Option('--cause <cause>', '').choices(['HttpError', 'Timeout']));

test.each([
  [[''], ['pause', 'describe', 'backfill', 'dead', 'help'], []],
  [['de'], ['describe', 'dead'], []],
  [['dead', 'l'], ['list'], []],
  [['dead', 'list', ''], [], ['run']],
  [['backfill', 'cancel', ''], [], ['backfill']],
  [['dead', 'list', 'shop-1', '--cause', 'H'], ['HttpError'], []],
  [['dead', 'list', '--cause', 'Timeout', ''], [], ['run']],
  [['-n', 'pause', 'describe', 'x'], [], ['run', 'schedule']],
  [['pause', '--n'], ['--note', '--namespace'], []],
  [['pause', '--note', ''], [], []],
  [['pause', 'shop-1', ''], [], []],
] as const)('%j', (line, words, names) => {
  expect(candidatesOf(program, line)).toEqual({ words, names });
});

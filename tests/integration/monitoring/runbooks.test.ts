// Each alert has a runbook, and each command of the runbooks is one that the programs take.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { alertRules } from './rules.ts';

const page = await readFile(join(projectRoot, 'docs', 'runbooks.md'), 'utf8');
const headings = [...page.matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading);
const commands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.trim().split('\n'));

test('each alert has a runbook that says what to look at, and each runbook its alert', async () => {
  const alerts = await alertRules();
  expect(headings.toSorted()).toEqual([...new Set(alerts.map(({ alert }) => alert))].toSorted());
  for (const { alert, annotations } of alerts) {
    expect(annotations['runbook_url']).toMatch(new RegExp(`/docs/runbooks\\.md#${alert.toLowerCase()}$`));
    const [, section = ''] = page.split(`## ${alert}\n`);
    expect(section.split('\n## ')[0], alert).toContain('```sh');
  }
});

test('links within the page lead somewhere', () => {
  for (const [, anchor] of page.matchAll(/\]\(#([^)]+)\)/g)) {
    expect(headings.map((heading) => heading.toLowerCase())).toContain(anchor);
  }
});

const helps = new Map<string, Promise<string>>();

/** What the program says of a command, asked once for each. */
function helpOf(words: readonly string[]): Promise<string> {
  const command = words.join(' ');
  const help = helps.get(command) ?? askForHelp(words);
  helps.set(command, help);
  return help;
}

/** `kubectl trawler` by its own source, kubectl and Helm as they are here. */
async function askForHelp(words: readonly string[]): Promise<string> {
  const [program = '', ...rest] = words;
  const [file, args] =
    program === 'kubectl' && rest[0] === 'trawler'
      ? [process.execPath, [join(projectRoot, 'src/cli/kubectl-trawler.ts'), ...rest.slice(1)]]
      : [binary(program), rest];
  const { stdout, exitCode } = await execa(file, [...args, '--help'], { reject: false });
  if (exitCode !== 0) throw new Error(`${words.join(' ')} is no command`);
  return stdout;
}

/** Of all subcommands. */
const GLOBAL = ['--namespace', '-n', '--as'];

describe('a command of the runbooks', () => {
  test.each([...new Set(commands)])('%s', async (command) => {
    const words = command.match(/(?:[^\s']|'[^']*')+/g) ?? [];
    const flags = words.filter((word) => word.startsWith('-')).map((word) => word.split('=')[0] ?? '');
    // Names stand in capitals or with a slash, and values follow -n.
    const end = words.findIndex((word, index) => index > 0 && (word.startsWith('-') || /^[A-Z]{3,}$|\//.test(word)));
    const verbs = words.slice(0, end === -1 ? words.length : end).slice(0, 4);
    const hasSubcommand = verbs[0] === 'helm' || verbs[1] === 'auth' || verbs[1] === 'top';
    const help = await helpOf(verbs[1] === 'trawler' ? verbs : verbs.slice(0, hasSubcommand ? 3 : 2));
    // A command of two names tells both.
    if (verbs[1] === 'trawler') expect(help).toMatch(new RegExp(`^Usage: ${verbs.join(' ')}(\\|\\w+)? `));
    for (const flag of flags) {
      if (GLOBAL.includes(flag)) continue;
      expect(help, `${command}: ${flag}`).toMatch(new RegExp(`(^|[\\s,])${flag}([\\s=<,]|$)`, 'm'));
    }
  });
});

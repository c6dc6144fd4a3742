// What `kubectl trawler logs|history|changes` asks of kubectl, told by a kubectl that writes down what it is called with.
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pluginProgram } from '../../support/plugin-program.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'trawler-kubectl-'));
});
afterEach(() => rm(directory, { recursive: true }));

type Cluster = { readonly leader: string; readonly mayExec: 'yes' | 'no'; readonly exitCode?: number };

async function trawler(cluster: Cluster, ...args: string[]) {
  const log = join(directory, 'calls');
  const script = `#!/bin/sh
echo "$*" >> ${log}
case "$*" in
  *"get lease trawler-operator"*) printf '${cluster.leader}' ;;
  *can-i*) echo ${cluster.mayExec}; [ ${cluster.mayExec} = yes ] ;;
  *) echo "output of kubectl"; exit ${cluster.exitCode ?? 0} ;;
esac
`;
  await writeFile(join(directory, 'kubectl'), script);
  await chmod(join(directory, 'kubectl'), 0o755);
  const { exitCode, stdout, stderr } = await execa(process.execPath, [await pluginProgram(), ...args], {
    env: { PATH: `${directory}:${process.env['PATH']}`, KUBECONFIG: '/dev/null' },
    reject: false,
  });
  const calls = (await readFile(log, 'utf8')).split('\n').filter(Boolean);
  return { exitCode, stdout, stderr, last: calls.at(-1) };
}

const OPERATOR = { leader: 'operator-1_4711', mayExec: 'yes' } as const;
const IN_POD = 'exec -n trawler-system operator-1 -c operator -- node /app/main.js';

test.each<[string[], string]>([
  [
    ['-n', 'crawls', 'logs', 'shop-1', '-f', '--tail', '5', '--since', '2h', '--level', 'warn'],
    `${IN_POD} logs shop-1 -n crawls --follow --tail=5 --since=2h --level=warn`,
  ],
  [['-n', 'crawls', 'history', 'shop', '--limit', '3'], `${IN_POD} history shop -n crawls --limit 3`],
  [['-n', 'crawls', '--json', 'history'], `${IN_POD} history -n crawls --limit 20 --json`],
  [
    ['-n', 'crawls', 'changes', 'shop-1', '--kind', 'Item', '-o', 'csv'],
    `${IN_POD} changes shop-1 -n crawls --output csv --kind Item`,
  ],
  [
    ['-n', 'crawls', '--context', 'prod', '--as', 'jane', 'history', '--system-namespace', 'ops'],
    '--context=prod --as=jane exec -n ops operator-1 -c operator -- node /app/main.js history -n crawls --limit 20',
  ],
  [['tables'], `${IN_POD} tables`],
  [
    ['--json', 'tables', '--system-namespace', 'ops'],
    'exec -n ops operator-1 -c operator -- node /app/main.js tables --json',
  ],
])('%j is read in the operator', async (args, expected) => {
  const { exitCode, stdout, last } = await trawler(OPERATOR, ...args);
  expect([exitCode, stdout, last]).toEqual([0, 'output of kubectl', expected]);
});

test('what the command in the pod ends with is what this one ends with', async () => {
  expect((await trawler({ ...OPERATOR, exitCode: 3 }, '-n', 'crawls', 'logs', 'shop-1')).exitCode).toBe(3);
});

test.each<[string, Cluster]>([
  ['who may not execute in the operator', { leader: 'operator-1_4711', mayExec: 'no' }],
  ['where no operator runs', { leader: '', mayExec: 'yes' }],
])('%s: logs are those of the pods, and the rest is refused with the reason', async (_, cluster) => {
  const { exitCode, stderr, last } = await trawler(cluster, '-n', 'crawls', 'logs', 'shop-1', '--level', 'warn');
  expect(exitCode).toBe(0);
  expect(last).toBe('logs -n crawls -l trawler.dev/run=shop-1 --prefix --max-log-requests=1000 --tail=-1');
  expect(stderr).toContain('--level does not count');
  expect(await trawler(cluster, '-n', 'crawls', 'history', '--outcome', 'Failed')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("take Trawler's server"),
  });
  const refused = await trawler(cluster, '-n', 'crawls', 'history');
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain('create pods/exec in namespace trawler-system');
});

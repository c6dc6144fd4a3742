// A shop that is crawled, as the docs name it: its schedule, a run that has ended with something of all that can be asked for, one that lives
// in PostgreSQL, and Trawler's server on real parts.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { pluginProgram } from '../../support/plugin-program.ts';
import { finishedCrawl } from '../server/finished-crawl.ts';
import type { ServerFixture } from '../server/fixture.ts';
import { startServerOnDatabase } from '../server/server-on-database.ts';
import { FAST, type Installation, type TestRun } from '../store/fixture.ts';

export const SCHEDULE = 'shop';
export const RUN = 'shop-1767225600';
export const LIVE_RUN = 'shop-alive';

export type Shop = {
  readonly server: ServerFixture;
  readonly installation: Installation;
  /** Of an account that may do all that the commands of the docs do. */
  readonly token: string;
  /** The run that lives. */
  readonly live: TestRun;
  /** The plugin, with its server and its token; exit code and what was printed. */
  trawler(
    words: readonly string[],
    env?: Readonly<Record<string, string | undefined>>,
  ): Promise<{ exitCode: number | undefined; stdout: string; stderr: string }>;
  stop(): Promise<void>;
};

const VERBS = ['get', 'list', 'watch', 'create', 'patch', 'delete', 'run', 'retry', 'clear', 'acknowledge'];

export async function startShop(): Promise<Shop> {
  const started = await startServerOnDatabase();
  const { installation, server } = started;
  const rights = { resources: ['crawlruns', 'crawlschedules', 'crawlbackfills', 'tokens', 'audits'], verbs: VERBS };
  const token = await server.account('default', 'reader', [rights]);
  await finishedCrawl(installation, 3, (n) => ({ n, text: 'old' }));
  await finishedCrawl(installation, 3, (n) => ({ n, text: 'new' }), { name: RUN });
  const live = await installation.createRun(FAST, { runId: await server.crawlRun(LIVE_RUN), name: LIVE_RUN });
  await bringOperator(server);
  await bringSchedule(server);
  const bin = await kubectlIntoOperator(installation.database.ownerUrl);
  return {
    ...{ server, installation, token, live },
    async trawler(words, env = {}) {
      const { exitCode, stdout, stderr } = await execa(process.execPath, [await pluginProgram(), ...words], {
        cwd: join(projectRoot, 'manifests', 'samples'),
        env: {
          ...{ KUBECONFIG: server.cluster.kubeconfigPath, TRAWLER_SERVER: server.url, TRAWLER_TOKEN: token },
          PATH: `${bin}:${process.env['PATH']}`,
          ...env,
        },
        reject: false,
      });
      return { exitCode, stdout, stderr };
    },
    async stop() {
      await started.stop();
      await rm(bin, { recursive: true });
    },
  };
}

/** The folder of a kubectl that is kubectl, and for which the operator's pod is here: no node runs one. */
async function kubectlIntoOperator(databaseUrl: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'trawler-kubectl-'));
  const script = `#!/bin/sh
case " $* " in
  *" exec "*) while [ "$1" != /app/main.js ]; do shift; done; shift
    TRAWLER_DATABASE_URL='${databaseUrl}' exec ${process.execPath} ${join(projectRoot, 'operator', 'main.ts')} "$@" ;;
  *) exec ${binary('kubectl')} "$@" ;;
esac
`;
  await writeFile(join(folder, 'kubectl'), script, { mode: 0o755 });
  return folder;
}

/** The Lease of one that leads. */
async function bringOperator(server: ServerFixture): Promise<void> {
  await server.kubectl(['create', 'namespace', 'trawler-system']);
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  await server.kubectl(['apply', '-f', '-'], {
    ...{ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' },
    metadata: { name: 'trawler-operator', namespace: 'trawler-system' },
    spec: { holderIdentity: 'operator-1_4711', renewTime, leaseDurationSeconds: 3_600 },
  });
}

/** With a status as the operator would write it. */
async function bringSchedule(server: ServerFixture): Promise<void> {
  const proxy = { urlSecretRef: { name: 'crawl-proxy' } };
  const runTemplate = { spec: { sources: [{ name: 'site', urls: ['https://site.test/'] }], proxy } };
  const notifications = [{ name: 'ops', url: 'https://hooks.example/ops' }];
  await server.kubectl(['apply', '-f', '-'], {
    ...{
      apiVersion: 'trawler.dev/v1alpha1',
      kind: 'CrawlSchedule',
      metadata: { name: SCHEDULE, namespace: 'default' },
    },
    spec: { schedule: '0 6 * * *', runTemplate, notifications },
  });
  await server.kubectl([
    ...['patch', 'crawlschedule', SCHEDULE, '--subresource=status', '--type=merge', '--patch'],
    JSON.stringify({ status: { nextScheduleTimes: ['2030-01-01T06:00:00Z'] } }),
  ]);
}

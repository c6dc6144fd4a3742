// A Prometheus that scrapes processes of a test, and what it answers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { stringify } from 'yaml';
import { freePort } from './free-ports.ts';
import { prometheusPrograms } from './prometheus.ts';

export type Sample = { readonly metric: Readonly<Record<string, string>>; readonly value: readonly [number, string] };
export type Exemplars = {
  readonly seriesLabels: Readonly<Record<string, string>>;
  readonly exemplars: readonly { readonly labels: Readonly<Record<string, string>> }[];
};

export type PrometheusServer = AsyncDisposable & {
  /** What the query has now; rejects for one that Prometheus does not understand. */
  query(expr: string): Promise<Sample[]>;
  /** Those of the last hour. */
  exemplars(expr: string): Promise<Exemplars[]>;
};

/**
 * @param targets host:port of each instance
 * @param rules content of a rule file
 */
export async function startPrometheus(targets: readonly string[], rules: object): Promise<PrometheusServer> {
  const directory = await mkdtemp(join(tmpdir(), 'prometheus-'));
  const program = join(await prometheusPrograms(), 'prometheus');
  const address = `127.0.0.1:${await freePort()}`;
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yaml'],
    scrape_configs: [{ job_name: 'trawler', honor_labels: true, static_configs: [{ targets }] }],
  };
  await writeFile(join(directory, 'prometheus.yaml'), stringify(config));
  await writeFile(join(directory, 'rules.yaml'), stringify(rules, { lineWidth: 0 }));
  const args = [
    ...['--config.file=prometheus.yaml', '--storage.tsdb.path=data', `--web.listen-address=${address}`],
    ...['--enable-feature=exemplar-storage', '--log.level=warn'],
  ];
  // The kernel ends it together with this process.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
    cwd: directory,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const ended = once(child, 'close');
  await vi.waitFor(
    async () => {
      const { ok } = await fetch(`http://${address}/-/ready`);
      if (!ok) throw new Error('Prometheus is not ready');
    },
    { timeout: 30_000, interval: 100 },
  );

  async function ask<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(`http://${address}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { data, error } = (await response.json()) as { data: T; error?: string };
    if (error !== undefined) throw new Error(`${parameters['query']}: ${error}`);
    return data;
  }

  return {
    query: async (query) => (await ask<{ result: Sample[] }>('query', { query })).result,
    exemplars(query) {
      const now = Date.now() / 1_000;
      return ask('query_exemplars', { query, start: String(now - 3_600), end: String(now) });
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

// The PostgreSQL manual as a site in the cluster: its pages as the files tell them, and what its server saw of a crawl.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { webImage } from '../../dev/images/catalog.ts';
import { projectRoot } from '../../dev/setup/paths.mjs';
import { apply, cluster, kubectl } from '../support/cluster.ts';
import { walkFiles } from '../support/manual-pages.ts';

/** One page, the legal notice, has no heading. */
export type ManualPage = { readonly title: string; readonly heading: string | null };

/** One request as the web server logged it. */
export type Access = {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly path: string;
  readonly status: number;
  readonly userAgent: string;
  readonly remoteAddress: string;
};

export async function deployManual(namespace: string): Promise<void> {
  const manifest = await readFile(join(projectRoot, 'dev/site/manifests/docs.yaml'), 'utf8');
  await apply(manifest.replaceAll(webImage.reference, cluster.reference(webImage)), '--namespace', namespace);
  await kubectl('rollout', 'status', 'deployment/docs', '--namespace', namespace, '--timeout=120s');
}

/** Every page of the manual that can be reached, by URL. */
export async function manualPages(namespace: string): Promise<ReadonlyMap<string, ManualPage>> {
  const printed = await kubectl(
    ...['exec', 'deployment/docs', '--namespace', namespace, '--'],
    // In the web server's pod, where the files are.
    ...['node', '--eval', `process.stdout.write(JSON.stringify((${walkFiles})('/docs')))`],
  );
  const pages = JSON.parse(printed) as ReturnType<typeof walkFiles>;
  return new Map(
    Object.entries(pages).map(([path, [title, heading]]) => [`${manualUrl(namespace)}/${path}`, { title, heading }]),
  );
}

export function manualUrl(namespace: string): string {
  return `http://docs.${namespace}.svc.cluster.local`;
}

/** What the web server saw of one crawl, told apart by its user agent; robots.txt left out. */
export async function accessesOf(namespace: string, userAgent: string): Promise<Access[]> {
  const log = await kubectl('logs', 'deployment/docs', '--namespace', namespace, '--tail=-1');
  return log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Omit<Access, 'time'> & { time: string })
    .map((entry) => ({ ...entry, time: Date.parse(entry.time) }))
    .filter((entry) => entry.userAgent === userAgent && entry.path !== '/robots.txt');
}

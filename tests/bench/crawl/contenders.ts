// Who takes part, and how each is started: Trawler as its pod would be, the peers as their own documentation tells.
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory } from '../../../dev/setup/paths.mjs';

export type Kind = 'browser' | 'http';
export type Peer = {
  readonly name: 'raw' | 'crawlee' | 'crawlee-default' | 'cheerio' | 'scrapy' | 'undici';
  readonly kind: Kind;
  readonly command: readonly [program: string, ...parameters: string[]];
  readonly environment?: Readonly<Record<string, string>>;
};

/** Peers are no dependencies of this project: they live in a cache of their own. */
const folder = join(cacheDirectory, 'bench-peers');
const python = join(folder, 'venv', 'bin', 'python');

export const PEERS: readonly Peer[] = [
  { name: 'raw', kind: 'browser', command: [process.execPath, 'raw-browser.mjs'] },
  {
    name: 'crawlee',
    kind: 'browser',
    command: [process.execPath, 'crawlee-playwright.mjs'],
    environment: { BENCH_TUNED: '1' },
  },
  { name: 'crawlee-default', kind: 'browser', command: [process.execPath, 'crawlee-playwright.mjs'] },
  { name: 'undici', kind: 'http', command: [process.execPath, 'undici.mjs'] },
  { name: 'cheerio', kind: 'http', command: [process.execPath, 'crawlee-cheerio.mjs'] },
  { name: 'scrapy', kind: 'http', command: [python, 'spider.py'] },
];

/** Puts the peers' programs into the cache and installs the pinned versions of what they need; quick when it is there. */
export async function installPeers(say: (line: string) => void): Promise<void> {
  await mkdir(folder, { recursive: true });
  await cp(join(import.meta.dirname, 'peers'), folder, { recursive: true });
  const inFolder = { cwd: folder, env: { PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: '1' } };
  say('peers: npm ci, pip install (a minute the first time)');
  await execa('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], inFolder);
  await execa('python3', ['-m', 'venv', 'venv'], inFolder);
  await execa(python, ['-m', 'pip', 'install', '--quiet', '--requirement', 'requirements.txt'], inFolder);
}

/** Where the peer's programs are started; what an earlier run of it may have left there is removed. */
export async function freshPeerFolder(): Promise<string> {
  await rm(join(folder, 'storage'), { recursive: true, force: true });
  return folder;
}

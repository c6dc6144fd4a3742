// Where development keeps what is not part of the source: downloads and builds (cache) and the local cluster (state).
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** The root of the working copy. */
export const projectRoot = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');

/** What can be deleted at any time and is fetched or built again: `${XDG_CACHE_HOME:-~/.cache}/trawler`. */
export const cacheDirectory = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'trawler');

/** The native cluster's files: `${XDG_STATE_HOME:-~/.local/state}/trawler/cluster`. */
export const clusterDirectory = join(
  process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'),
  'trawler',
  'cluster',
);

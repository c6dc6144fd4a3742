// What commands say that made or changed runs.
import type { Global } from './session.ts';

export function report(names: readonly string[], { json }: Global, done = 'created'): void {
  if (json) console.log(JSON.stringify({ runs: names }));
  else if (names.length === 0) console.log('nothing to do: those runs are there already');
  else for (const name of names) console.log(`crawlrun.trawler.dev/${name} ${done}`);
}

// `kubectl trawler completion`: kubectl's own completion, of every shell that it knows, asks a program beside the plugin for what may
// stand next; this prints that program, which asks `kubectl trawler complete`.
import type { Command } from 'commander';
import { CRAWL_BACKFILLS, CRAWL_RUNS, CRAWL_SCHEDULES } from '../../custom-resources/types.ts';
import type { NamespacedObject } from '../../kube/kube-object.ts';
import { candidatesOf, type NamedKind } from './candidates.ts';
import { COMPLETION_SCRIPT } from './completion-script.ts';
import { type Global, withSession } from './session.ts';

/** The directive of cobra for: offer these words, and no files. */
const NO_FILES = ':4';
/** A shell waits meanwhile. */
const NAMES_WITHIN_MS = 3_000;
const MOST_NAMES = 500;

const RESOURCES = { run: CRAWL_RUNS, schedule: CRAWL_SCHEDULES, backfill: CRAWL_BACKFILLS } as const;

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print what completes this in every shell in which kubectl is completed: kubectl_complete-trawler')
    .action(() => void process.stdout.write(COMPLETION_SCRIPT));
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (line: string[]) => {
      const { words, names } = candidatesOf(program, line);
      const found = await Promise.all(names.map((kind) => namesOf(kind, givenOptions(line))));
      const begun = found.flat().filter((name) => name.startsWith(line.at(-1) ?? ''));
      console.log([...words, ...begun, NO_FILES].join('\n'));
    });
}

/** Without an answer there is nothing to offer, and no place for an error. */
async function namesOf(kind: NamedKind, options: Global): Promise<string[]> {
  try {
    return await withSession(options, async ({ api, namespace }) => {
      const signal = AbortSignal.timeout(NAMES_WITHIN_MS);
      const list = await api.resource<NamespacedObject>(RESOURCES[kind]).list({ namespace, limit: MOST_NAMES, signal });
      return list.items.map(({ metadata }) => metadata.name);
    });
  } catch {
    return [];
  }
}

/** The options of the line that say where names are looked for. */
function givenOptions(line: readonly string[]): Global {
  const valueBehind = (...flags: readonly string[]) => {
    const place = line.findIndex((word) => flags.includes(word));
    return place < 0 ? undefined : line[place + 1];
  };
  const given = {
    ...{ namespace: valueBehind('-n', '--namespace'), context: valueBehind('--context') },
    ...{ kubeconfig: valueBehind('--kubeconfig'), as: valueBehind('--as') },
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

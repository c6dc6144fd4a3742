// The processes of a worker's browser, as /proc shows them.
import { readdirSync, readFileSync } from 'node:fs';

type Process = { readonly id: number; readonly parent: number; readonly group: number; readonly command: string };

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        // The name stands in brackets and may hold any character; the fields after it are numbers.
        const [, state = '', parent, group] =
          /\) (\S) (\d+) (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, 'utf8')) ?? [];
        const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return 'ZX'.includes(state)
          ? []
          : [{ id: Number(entry), parent: Number(parent), group: Number(group), command }];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}

/** Process groups of the browsers that the process has started. */
export function browserGroups(parent: number): number[] {
  const own = processes().filter((process) => process.parent === parent && /chrom|headless/.test(process.command));
  return own.map((process) => process.group);
}

/** Processes that show pages, of the group. */
export function rendererProcesses(group: number): number[] {
  const renderers = processes().filter(
    (process) => process.group === group && / --type=renderer /.test(process.command),
  );
  return renderers.map((process) => process.id);
}

export function processesOf(group: number): number[] {
  return processes()
    .filter((process) => process.group === group)
    .map((process) => process.id);
}

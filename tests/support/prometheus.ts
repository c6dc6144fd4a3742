// promtool and Prometheus for tests.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { stringify } from 'yaml';
import { compileGo } from '../../dev/go-programs.ts';

/** The first time four minutes on two cores. */
export const COMPILE_TIMEOUT_MS = 1_200_000;

/** The directory of `promtool` and `prometheus`. Discovery of other systems is left out: a third of the code. */
export function prometheusPrograms(): Promise<string> {
  return compileGo(
    {
      folder: 'prometheus',
      packages: ['prometheus', 'promtool'].map((name) => `github.com/prometheus/prometheus/cmd/${name}`),
      flags: ['-tags=remove_all_sd', '-gcflags=k8s.io/client-go/...=-N -l'],
    },
    () => console.log('compiling Prometheus (only the first time, 4 min on 2 cores)'),
    AbortSignal.timeout(COMPILE_TIMEOUT_MS),
  );
}

/** Runs promtool in a directory with these files, objects as YAML. Rejects with what it said. */
export async function promtool(args: readonly string[], files: Readonly<Record<string, unknown>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'promtool-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      await writeFile(
        join(directory, name),
        typeof content === 'string' ? content : stringify(content, { lineWidth: 0 }),
      );
    }
    const program = join(await prometheusPrograms(), 'promtool');
    const { all, exitCode } = await execa(program, args, { cwd: directory, all: true, reject: false });
    if (exitCode !== 0) throw new Error(all);
    return all;
  } finally {
    await rm(directory, { recursive: true });
  }
}

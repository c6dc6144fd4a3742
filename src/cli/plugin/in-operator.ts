// What PostgreSQL keeps of runs, read by the operator's own program in its pod: a person has a kubeconfig and no login to the
// database. Whoever may not execute in that pod reads the pods of the run, as long as they are there.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { LABEL } from '../../resources/group.ts';

export type KubectlOptions = {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly as?: string;
  /** Where the operator is. */
  readonly systemNamespace: string;
};

export type LogSelection = {
  readonly follow?: boolean;
  readonly tail?: string;
  readonly since?: string;
  readonly level?: string;
};

/** Why nothing can be read, for the person at the terminal. */
export class OperatorUnreachable extends Error {}

/** Held by the operator that leads, as its pod's name, an underscore and an id. */
const OPERATOR_LEASE = 'trawler-operator';
/** Pods of one run that are followed at once. */
const MOST_PODS = 1_000;

/** Runs a command of the operator's program, with this terminal's output; its exit code. */
export async function runInOperator(command: readonly string[], options: KubectlOptions): Promise<number> {
  const pod = await operatorPod(options);
  if (pod !== undefined) return execIn(pod, command, options);
  throw new OperatorUnreachable(
    `what is kept of runs is read in the operator's pod: you need the right to create pods/exec in namespace ${options.systemNamespace} (--system-namespace), where an operator has to run`,
  );
}

/** The log of a run: what is kept, or else what its pods still have. */
export async function runLogs(
  namespace: string,
  run: string,
  { follow, tail, since, level }: LogSelection,
  options: KubectlOptions,
): Promise<number> {
  const selection = [
    ...(follow ? ['--follow'] : []),
    ...(tail === undefined ? [] : [`--tail=${tail}`]),
    ...(since === undefined ? [] : [`--since=${since}`]),
  ];
  const pod = await operatorPod(options);
  if (pod !== undefined) {
    const levels = level === undefined ? [] : [`--level=${level}`];
    return execIn(pod, ['logs', run, '-n', namespace, ...selection, ...levels], options);
  }
  const note = `you may not execute in the operator's pod (namespace ${options.systemNamespace}), so this is what the pods of the run have, as long as they are there`;
  process.stderr.write(`note: ${note}${level === undefined ? '' : '; --level does not count'}\n`);
  const all = tail === undefined ? ['--tail=-1'] : [];
  const of = ['-n', namespace, '-l', `${LABEL.run}=${run}`, '--prefix', `--max-log-requests=${MOST_PODS}`];
  return passedOn(kubectl(['logs', ...of, ...all, ...selection], options));
}

function execIn(pod: string, command: readonly string[], options: KubectlOptions): Promise<number> {
  const target = ['-n', options.systemNamespace, pod, '-c', 'operator'];
  return passedOn(kubectl(['exec', ...target, '--', 'node', '/app/main.js', ...command], options));
}

/** Undefined where there is none, or this person may not execute in it. */
async function operatorPod(options: KubectlOptions): Promise<string | undefined> {
  const inSystem = ['-n', options.systemNamespace];
  const lease = ['get', 'lease', OPERATOR_LEASE, ...inSystem, '-o', 'jsonpath={.spec.holderIdentity}'];
  const [pod] = (await output(kubectl(lease, options)))?.trim().split('_').filter(Boolean) ?? [];
  if (pod === undefined) return undefined;
  const may = await output(kubectl(['auth', 'can-i', 'create', 'pods', '--subresource=exec', ...inSystem], options));
  return may?.trim() === 'yes' ? pod : undefined;
}

function kubectl(args: readonly string[], { kubeconfig, context, as }: KubectlOptions): readonly string[] {
  return [
    ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
    ...(context === undefined ? [] : [`--context=${context}`]),
    ...(as === undefined ? [] : [`--as=${as}`]),
    ...args,
  ];
}

/** Standard output; undefined when kubectl fails, which may be since somebody may not. */
async function output(args: readonly string[]): Promise<string | undefined> {
  const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return code === 0 ? text : undefined;
}

async function passedOn(args: readonly string[]): Promise<number> {
  const child = spawn('kubectl', args, { stdio: 'inherit' });
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 1;
}

// A namespace with an operator of its own behind a fault proxy. Several can play at once in one cluster: the proxy shows
// each operator its own namespace alone, and each has its own Lease and database.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LEASES, type Lease } from '#src/kube/builtin-types.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { type OperatorProcess, spawnOperator } from '../support/operator-process.ts';
import type { TestDatabase } from '../support/postgres.ts';
import type { World } from './world.ts';

export interface Stage extends AsyncDisposable {
  world: World;
  namespace: string;
  database: TestDatabase;
  proxy: FaultProxy;
  /** Where the operators' output is. */
  logPath: string;
  /** Starts an operator behind the stage's proxy, or behind another one. */
  startOperator(proxy?: FaultProxy): Promise<OperatorProcess>;
  /**
   * Kills the operator as a crash does and starts the next. A dead leader's Lease is deleted, so that nobody waits
   * fifteen seconds for it to run out.
   */
  restartOperator(): Promise<void>;
  /** Asks the operator to end, as Kubernetes does with a pod, and starts the next at once; the end of the first. */
  replaceOperator(): Promise<Ended | undefined>;
}

type Ended = Awaited<OperatorProcess['ended']>;

const { signal } = new AbortController();
/** How an operator ends that could not renew its Lease in time; the kubelet starts it again, and so does the stage. */
const LEADERSHIP_LOST = 75;

/**
 * Namespace and proxy; no operator yet.
 * @param env more of the environment of its operators
 */
export async function setStage(
  world: World,
  name: string,
  database: TestDatabase,
  env: Readonly<Record<string, string>> = {},
): Promise<Stage> {
  const namespace = `${name}-${crypto.randomUUID().slice(0, 6)}`;
  await world.kube.namespaces.create({ metadata: { name: namespace } }, { signal });
  const proxy = await startFaultProxy(world.config, { namespace });
  const logPath = join(world.directory, `${namespace}.log`);
  const operators: OperatorProcess[] = [];
  let kubeconfigs = 0;
  let isOver = false;

  async function startOperator(through = proxy): Promise<OperatorProcess> {
    const kubeconfigPath = join(world.directory, `${namespace}-${++kubeconfigs}.kubeconfig`);
    await writeFile(kubeconfigPath, through.config.exportConfig());
    const { program } = world;
    const databaseUrl = database.ownerUrl;
    const operator = spawnOperator({ program, kubeconfigPath, databaseUrl, namespace, logPath, env });
    operators.push(operator);
    void operator.ended.then(async ({ code }) => {
      if (code === LEADERSHIP_LOST && operators.at(-1) === operator && !isOver) await startOperator(through);
    });
    return operator;
  }

  async function restartOperator(): Promise<void> {
    const last = operators.at(-1);
    last?.kill('SIGKILL');
    await last?.ended;
    const leases = world.kube.api.resource<Lease>(LEASES);
    await leases.delete({ namespace, name: 'trawler-operator' }, { signal });
    await startOperator();
  }

  async function replaceOperator(): Promise<Ended | undefined> {
    const last = operators.at(-1);
    last?.kill('SIGTERM');
    await startOperator();
    return last?.ended;
  }

  return {
    ...{ world, namespace, database, proxy, logPath, startOperator, restartOperator, replaceOperator },
    async [Symbol.asyncDispose]() {
      isOver = true;
      for (const operator of operators) operator.kill('SIGKILL');
      await Promise.all(operators.map((operator) => operator.ended));
      await proxy.close();
    },
  };
}

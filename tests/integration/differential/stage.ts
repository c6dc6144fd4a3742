// One API server with both controllers on it: kube-controller-manager, and Trawler's operator with its PostgreSQL.

import { execa } from 'execa';
import { createKubeMetrics } from '#src/kube/metrics.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { startPostgres } from '../../support/postgres.ts';
import { connect, startOperator } from '../../support/running-operator.ts';
import { cronJobDialect } from './cronjob-dialect.ts';
import { createSide, type Side } from './side.ts';
import { trawlerDialect } from './trawler-dialect.ts';

export type Stage = {
  readonly cronJob: Side;
  readonly trawler: Side;
  /** Ends both controllers; the API server goes on. */
  leave(): Promise<void>;
  comeBack(): void;
  close(): Promise<void>;
};

const logger = createLogger('differential-test', 'fatal');

export async function startStage(): Promise<Stage> {
  const [cluster, postgres] = await Promise.all([startControlPlane({ controllerManager: true }), startPostgres(15)]);
  const { ownerUrl } = await postgres.createDatabase({ createRole: true });
  const kubectl = (...args: string[]) => execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args]);
  await installCrds(cluster);
  // Apart, since the children of both have names of the same form.
  await Promise.all([kubectl('create', 'namespace', 'cronjob'), kubectl('create', 'namespace', 'trawler')]);

  const watching = new AbortController();
  const metrics = createKubeMetrics(createRegistry());
  const api = connect(cluster.kubeconfigPath);
  const shared = { api, logger, metrics, signal: watching.signal };
  const [cronJob, trawler] = await Promise.all([
    createSide(cronJobDialect, { ...shared, namespace: 'cronjob' }),
    createSide(trawlerDialect, { ...shared, namespace: 'trawler' }),
  ]);
  let operator = startOperator(cluster.kubeconfigPath, ownerUrl);
  return {
    cronJob,
    trawler,
    leave: async () => {
      await Promise.all([operator.stop(), cluster.stopControllerManager()]);
    },
    comeBack: () => {
      cluster.startControllerManager();
      operator = startOperator(cluster.kubeconfigPath, ownerUrl);
    },
    close: async () => {
      watching.abort(new Error('the test is over'));
      await operator.stop();
      await api.close();
      await Promise.all([cluster.stop(), postgres.stop()]);
    },
  };
}

// kubectl-trawler: the verbs that kubectl has no word for. Put it on the PATH and say `kubectl trawler run shop`.
import { Command } from 'commander';
import { KubeError } from '../kube/kube-error.ts';
import { addAlerts } from './plugin/alert-commands.ts';
import { addAudit } from './plugin/audit-command.ts';
import { addBackfill } from './plugin/backfill-commands.ts';
import { addAbandon, addPromote } from './plugin/canary-commands.ts';
import { addChanges } from './plugin/changes-command.ts';
import { addCompletion } from './plugin/completion-command.ts';
import { addConfig } from './plugin/config-command.ts';
import { addDead } from './plugin/dead-commands.ts';
import { addDescribe } from './plugin/describe-command.ts';
import { addDoctor } from './plugin/doctor-command.ts';
import { addExclude } from './plugin/exclude-command.ts';
import { addExplain } from './plugin/explain-command.ts';
import { addHistory } from './plugin/history-command.ts';
import { OperatorUnreachable } from './plugin/in-operator.ts';
import { addItems } from './plugin/items-command.ts';
import { addLint } from './plugin/lint-command.ts';
import { addLogs } from './plugin/logs-command.ts';
import { addNext } from './plugin/next-command.ts';
import { addNotifications } from './plugin/notification-commands.ts';
import { addPause, addResume } from './plugin/pause-commands.ts';
import { addProxy } from './plugin/proxy-command.ts';
import { addResetHost } from './plugin/reset-host-command.ts';
import { addRetry } from './plugin/retry-command.ts';
import { addRun } from './plugin/run-command.ts';
import { addHosts, addSources, addWorkers } from './plugin/run-detail-commands.ts';
import { UsageError } from './plugin/session.ts';
import { addSet } from './plugin/set-commands.ts';
import { addStop, addTerminate } from './plugin/stop-commands.ts';
import { addSuspend } from './plugin/suspend-command.ts';
import { addTables } from './plugin/tables-command.ts';
import { addTokens } from './plugin/token-commands.ts';
import { addTop } from './plugin/top-command.ts';
import { ServerError } from './plugin/trawler-server.ts';
import { addWatch } from './plugin/watch-command.ts';

const program = new Command('kubectl trawler')
  .description('Runs of Trawler that kubectl alone cannot make, and when the next ones are due.')
  .option('-n, --namespace <name>', 'namespace; that of the context when left out')
  .option('--context <name>', 'context of the kubeconfig')
  .option('--kubeconfig <file>', 'the kubeconfig; that of KUBECONFIG or ~/.kube/config when left out')
  .option('--as <user>', 'act as this user')
  .option('--json', 'print {"runs": [names]}, or {"nextScheduleTimes": [times]}')
  .showHelpAfterError();

const ADD_COMMANDS = [
  ...[addNext, addRun, addBackfill, addRetry, addPause, addResume, addStop, addTerminate],
  ...[addSet, addExclude, addSuspend],
  ...[addDescribe, addWatch, addTop],
  ...[
    addExplain,
    addItems,
    addDead,
    addSources,
    addWorkers,
    addHosts,
    addResetHost,
    addProxy,
    addLogs,
    addHistory,
    addChanges,
  ],
  ...[addAlerts, addAudit, addTokens],
  ...[addNotifications, addPromote, addAbandon, addLint, addDoctor, addTables, addConfig, addCompletion],
];
for (const add of ADD_COMMANDS) add(program);

try {
  await program.parseAsync();
} catch (error) {
  if (![UsageError, KubeError, ServerError, OperatorUnreachable].some((kind) => error instanceof kind)) throw error;
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 1;
}

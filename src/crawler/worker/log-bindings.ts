// What each line of a worker's log names, whichever of its threads wrote it: its run, itself, and its trace where there is one.
import { traceIdOf } from '../../telemetry/traces.ts';
import type { WorkerConfig } from './worker-config.ts';

export function logBindings({ runId, workerId, traces }: WorkerConfig): Record<string, string> {
  return { run: runId, worker: workerId, ...(traces === undefined ? {} : { trace_id: traceIdOf(runId) }) };
}

// A plan of named steps, run with progress, times and time-outs; used by everything in dev/ that takes a while.
import { Listr, type ListrTask, PRESET_TIMER } from 'listr2';

export interface StepContext {
  /** Shows what the step is at; only the last line stays on a terminal. */
  report(line: string): void;
  /** Aborted by the step's time-out, by Ctrl-C, and by the failure of a step that runs beside this one. */
  signal: AbortSignal;
}

export interface Action {
  title: string;
  timeoutSeconds: number;
  /** What a person can do when this step fails. */
  fix?: string;
  /** Returns, if there is something to say, what is shown behind the title. */
  run(context: StepContext): Promise<string | undefined>;
}

export interface Group {
  title: string;
  steps: Step[];
  /** Runs the steps beside each other. */
  concurrent?: boolean;
}

export type Step = Action | Group;

/** Thrown by runSteps: says which step failed and what to do. */
export class StepError extends Error {
  override name = 'StepError';
}

/** Runs the steps in order; the first failure aborts the rest and is thrown as a StepError. */
export async function runSteps(steps: Step[], signal?: AbortSignal): Promise<void> {
  const failure = new AbortController();
  const aborted = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  const running = new Set<Promise<unknown>>();

  const task = (step: Step): ListrTask => {
    if ('steps' in step) {
      const options = { concurrent: step.concurrent ?? false };
      return { title: step.title, task: (_, self) => self.newListr(step.steps.map(task), options) };
    }
    return {
      title: step.title,
      task: async (_, self) => {
        const report = rarely((line) => {
          self.output = line;
        });
        const work = runAction(step, report, aborted);
        running.add(work);
        try {
          const detail = await work;
          if (detail) self.title = `${step.title}: ${detail}`;
        } catch (error) {
          failure.abort(error);
          throw error;
        } finally {
          running.delete(work);
        }
      },
    };
  };

  const list = new Listr(steps.map(task), {
    concurrent: false,
    registerSignalListeners: false,
    rendererOptions: { collapseSubtasks: false, timer: PRESET_TIMER },
    fallbackRendererOptions: { timer: PRESET_TIMER },
  });
  try {
    await list.run();
  } finally {
    // Steps beside a failed one still hold children: they end on the signal, and nothing goes on behind our back.
    await Promise.allSettled(running);
  }
}

/** Where each line stays, as in a log, one every 10 s is enough to see that it goes on. */
function rarely(report: (line: string) => void): (line: string) => void {
  if (process.stdout.isTTY) return report;
  let next = 0;
  return (line) => {
    if (performance.now() < next) return;
    next = performance.now() + 10_000;
    report(line);
  };
}

async function runAction(
  step: Action,
  report: (line: string) => void,
  outer: AbortSignal,
): Promise<string | undefined> {
  const timeout = AbortSignal.timeout(step.timeoutSeconds * 1000);
  const signal = AbortSignal.any([outer, timeout]);
  try {
    signal.throwIfAborted();
    return await step.run({ report, signal });
  } catch (error) {
    if (outer.aborted) throw new StepError(`${step.title}: stopped`, { cause: error });
    const cause = timeout.aborted ? `not done within ${step.timeoutSeconds} s. ${messageOf(error)}` : messageOf(error);
    const fix = step.fix ? `\n  What to do: ${step.fix}` : '';
    throw new StepError(`${step.title}: ${cause}${fix}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

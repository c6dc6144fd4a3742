// The program of the crawler image: one worker, from its first line of log to its exit code.
import { runWorkerProcess } from '../src/crawler/worker/worker-process.ts';

const exitCode = await runWorkerProcess(process.env);
// Whatever a hanging browser may have left open.
process.exit(exitCode);

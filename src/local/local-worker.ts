// The worker of a local crawl, as a process of its own: the same as that of the crawler image.
import { runWorkerProcess } from '../crawler/worker/worker-process.ts';

const exitCode = await runWorkerProcess(process.env);
// Whatever a hanging browser may have left open.
process.exit(exitCode);

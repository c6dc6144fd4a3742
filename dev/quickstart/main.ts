// `npm run quickstart`: from nothing to a crawl that has finished, on Kubernetes on this machine. `-- down` removes it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { trawlerNamespace } from '../cluster/addresses.ts';
import { chooseCluster } from '../cluster/choose.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { sendSignal } from '../cluster/signals.ts';
import { images, webImage } from '../images/catalog.ts';
import { buildSteps } from '../images/steps.ts';
import { applyManifest, helm, installStep, kubectl, release } from '../install.ts';
import { providingProcess } from '../setup/kubernetes.mjs';
import { binariesPresent, binDirectory } from '../setup/kubernetes-binaries.mjs';
import { projectRoot } from '../setup/paths.mjs';
import { runSteps, type Step, StepError } from '../steps.ts';
import { firstItems } from './items.ts';

const sample = 'manifests/samples/first-schedule.yaml';
const site = 'dev/site/manifests/site.yaml';
const siteAddress = 'site.demo.svc.cluster.local:80';

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(`ended by ${name}`)));

/** `finished` is told the name of the run that was waited for. */
function quickstartSteps(cluster: Cluster, finished: (run: string) => void): Step[] {
  return [
    // Images need no cluster until they are loaded, and Kubernetes may be compiling for minutes.
    {
      title: 'Kubernetes and images',
      concurrent: true,
      steps: [
        { title: 'Kubernetes', steps: cluster.up() },
        { title: 'Images', steps: buildSteps(images) },
      ],
    },
    ...cluster.deliverImages(images),
    installStep(cluster, [siteAddress]),
    { title: 'Deploy the demo site', timeoutSeconds: 120, run: ({ signal }) => deploySite(cluster, signal) },
    {
      title: `Apply ${sample}`,
      timeoutSeconds: 60,
      run: async ({ signal }) => {
        await kubectl(cluster, ['apply', '-f', sample], { signal });
        return undefined;
      },
    },
    {
      title: 'Wait for the first crawl',
      timeoutSeconds: 300,
      fix: 'kubectl describe crawlruns says what it waits for',
      run: async ({ report, signal }) => {
        const run = await firstRun(cluster, report, signal);
        finished(run);
        return run;
      },
    },
  ];
}

async function deploySite(cluster: Cluster, signal: AbortSignal): Promise<undefined> {
  await applyManifest(cluster, await readFile(join(projectRoot, site), 'utf8'), [webImage], signal);
  await kubectl(cluster, ['rollout', 'status', 'deployment/site', '--namespace=demo', '--timeout=110s'], { signal });
}

/** The schedule makes a run at the next full minute. Resolves with the run's name when it has finished. */
async function firstRun(cluster: Cluster, report: (line: string) => void, signal: AbortSignal): Promise<string> {
  report('the schedule is due at the next full minute');
  const list = ['get', 'crawlruns', '--sort-by=.metadata.creationTimestamp', '--output=name'];
  let run: string | undefined;
  while (!run) {
    await delay(500, undefined, { signal });
    run = (await kubectl(cluster, list, { signal })).split('\n').at(-1);
  }
  report(`${run} is crawling`);
  await kubectl(cluster, ['wait', '--for=condition=Finished', run, '--timeout=290s'], { signal });
  return run;
}

/** What a person wants to see, and to do next. */
async function show(cluster: Cluster, run: string): Promise<void> {
  const command = 'kubectl get crawlschedules,crawlruns';
  console.log(`\n$ ${command}\n${await kubectl(cluster, command.split(' ').slice(1))}`);
  console.log(`\nFirst items of ${run}, from Postgres:\n${await firstItems(cluster, run)}`);
  console.log(`
Trawler is running, and crawls the demo site every minute. Look around:
  export KUBECONFIG=${cluster.kubeconfig}
  export PATH=${binDirectory}:$PATH      # kubectl and helm
  kubectl get crawlruns --watch
  kubectl describe crawlschedule first
  kubectl explain crawlschedule.spec
  kubectl apply -f manifests/samples/two-workers.yaml

Remove it all:
  npm run quickstart -- down`);
}

function removeSteps(cluster: Cluster): Step[] {
  const ignoreMissing = ['--ignore-not-found', '--wait=false'];
  const remove: Step = {
    title: 'Remove Trawler and the demo from the cluster',
    timeoutSeconds: 120,
    run: async ({ signal }) => {
      await kubectl(cluster, ['delete', '-f', sample, '--ignore-not-found'], { signal });
      await helm(cluster, ['uninstall', release, '--namespace', trawlerNamespace, '--ignore-not-found'], { signal });
      await kubectl(cluster, ['delete', 'namespace', trawlerNamespace, 'demo', ...ignoreMissing], { signal });
      return 'its CRDs stay, and with them other CrawlSchedules';
    },
  };
  // A cluster that we made goes as a whole.
  return cluster.ours ? cluster.down() : [remove];
}

/** The compiler that set-up started beside us has nobody to wait for it any more. */
function endBackgroundSetup(): void {
  const pid = providingProcess();
  if (pid !== undefined && !binariesPresent()) sendSignal(pid, 'SIGTERM');
}

async function main(command: string | undefined): Promise<void> {
  const started = performance.now();
  const cluster = chooseCluster();
  if (command === 'down') {
    await runSteps(removeSteps(cluster), stop.signal);
    return;
  }
  if (command !== undefined) throw new StepError('usage: npm run quickstart [-- down]');
  let finished = '';
  const steps = quickstartSteps(cluster, (run) => {
    finished = run;
  });
  await runSteps(steps, stop.signal);
  await show(cluster, finished);
  console.log(`\nDone in ${Math.round((performance.now() - started) / 1000)} s.`);
}

try {
  await main(process.argv[2]);
} catch (error) {
  if (stop.signal.aborted) endBackgroundSetup();
  const message = error instanceof StepError ? `\n${error.message}` : error;
  console.error(stop.signal.aborted ? '\nStopped. Call it again to go on, or npm run quickstart -- down.' : message);
  process.exitCode = 1;
}

// Runs once before the e2e suites: the cluster, the images of this working copy, and Trawler installed from its chart.
import { chooseCluster } from '../../dev/cluster/choose.ts';
import { images } from '../../dev/images/catalog.ts';
import { buildSteps } from '../../dev/images/steps.ts';
import { installStep } from '../../dev/install.ts';
import { runSteps } from '../../dev/steps.ts';

/** Services of the cluster: the web servers that tests crawl have addresses there. */
const services = '10.96.0.0/16:80';

export default async function setup(): Promise<void> {
  const cluster = chooseCluster();
  await runSteps([
    ...cluster.up(),
    ...buildSteps(images),
    ...cluster.deliverImages(images),
    installStep(cluster, [services]),
  ]);
}

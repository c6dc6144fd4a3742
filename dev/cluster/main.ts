// `npm run cluster -- up|down|status|kubeconfig|load-images|logs`: the local Kubernetes.
import { execa } from 'execa';
import { type ImageSource, images } from '../images/catalog.ts';
import { buildSteps } from '../images/steps.ts';
import { runSteps, StepError } from '../steps.ts';
import { chooseCluster } from './choose.ts';

const usage = `usage: npm run cluster -- COMMAND
  up                   bring the cluster up, or repair it
  down                 remove every trace of it
  status               say what runs; exit code 1 when something does not
  kubeconfig           print the path of its kubeconfig (alone with npm run -s)
  load-images [NAME]   build the project's images (operator, crawler, postgres, web) and bring them into it
  logs [NAME]          follow the logs of its programs
TRAWLER_KUBECONFIG=/path names a cluster of yours instead; TRAWLER_IMAGE_REGISTRY=host/path says where its images go.`;

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(`ended by ${name}`)));

/** The images of these names, or all. */
function named(names: string[]): ImageSource[] {
  const unknown = names.filter((name) => !images.some((image) => image.name === name));
  if (unknown.length > 0) throw new Error(`there is no image called ${unknown.join(', ')}`);
  return names.length === 0 ? images : images.filter(({ name }) => names.includes(name));
}

async function main([command, ...rest]: string[]): Promise<number> {
  const cluster = chooseCluster();
  switch (command) {
    case 'up':
      await runSteps(cluster.up(), stop.signal);
      console.log(`\nexport KUBECONFIG=${cluster.kubeconfig}`);
      return 0;
    case 'down':
      await runSteps(cluster.down(), stop.signal);
      return 0;
    case 'status': {
      const { up, lines } = await cluster.status(stop.signal);
      console.log(lines.join('\n'));
      return up ? 0 : 1;
    }
    case 'kubeconfig':
      console.log(cluster.kubeconfig);
      return 0;
    case 'load-images':
      await runSteps([...buildSteps(named(rest)), ...cluster.deliverImages(named(rest))], stop.signal);
      return 0;
    case 'logs': {
      const options = { stdio: 'inherit', cancelSignal: stop.signal, reject: false } as const;
      await execa('tail', ['-n', '100', '-F', ...cluster.logs(rest)], options);
      return 0;
    }
    default:
      console.error(usage);
      return 2;
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  // The list of steps has shown a step's failure already, but a terminal may have cut it.
  console.error(error instanceof StepError ? `\n${error.message}` : error);
  process.exitCode = 1;
}

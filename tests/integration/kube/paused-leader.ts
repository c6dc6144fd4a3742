// A leader in a process of its own, so that the test can pause it. Arguments: the kubeconfig's path, the timing as JSON.
import { once } from 'node:events';
import { runAsLeader } from '../../../src/kube/leader-election.ts';
import { apiOf, configFrom, logger } from './kube-test.ts';

const [, , kubeconfigPath = '', timing = '{}'] = process.argv;
const { api, metrics } = apiOf(configFrom(kubeconfigPath));
const end = await runAsLeader({
  ...{ api, metrics, logger, namespace: 'default', name: 'paused', identity: 'child' },
  signal: new AbortController().signal,
  timing: JSON.parse(timing),
  work: async (leading) => {
    console.log('child leads');
    await once(leading, 'abort');
    console.log('child ends');
  },
});
console.log(`child ${end}`);
await api.close();

// What the chart makes for the Prometheus operator, when it is asked to.
import { expect, test } from 'vitest';
import { type Manifest, one, render } from '../chart/helm.ts';

const BASE = 'postgres.enabled=true';

type Monitored = Manifest & {
  spec: {
    selector: { matchLabels: Record<string, string>; matchExpressions: { key: string; values: string[] }[] };
    podMetricsEndpoints: { port: string; interval: string; honorLabels: boolean }[];
  };
};

test('makes nothing of kinds that a cluster may not have, unless it is asked to', async () => {
  const kinds = (await render(BASE, 'server.enabled=true')).map(({ apiVersion }) => apiVersion);
  expect(kinds).not.toContain('monitoring.coreos.com/v1');
});

test('the PodMonitor finds the pods of operator, gateway and server by their labels and port', async () => {
  const settings = ['monitoring.podMonitor.enabled=true', 'monitoring.podMonitor.labels.release=stack'];
  const manifests = await render(BASE, 'server.enabled=true', ...settings);
  const monitor = one(manifests, 'PodMonitor', 'trawler') as Monitored;
  expect(monitor.metadata.labels).toMatchObject({ release: 'stack' });
  const { selector, podMetricsEndpoints } = monitor.spec;
  // With honorLabels a schedule's namespace is not taken for that of the pod.
  expect(podMetricsEndpoints).toEqual([{ port: 'metrics', interval: '30s', honorLabels: true }]);
  const [components] = selector.matchExpressions;
  const found = manifests
    .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
    .filter(({ spec }) => {
      const labels = (spec.template as unknown as { metadata: { labels: Record<string, string> } }).metadata.labels;
      const isOurs = Object.entries(selector.matchLabels).every(([name, value]) => labels[name] === value);
      return isOurs && components?.values.includes(labels[components.key] ?? '');
    });
  expect(found.map(({ metadata }) => metadata.name).toSorted()).toEqual([
    'trawler-gateway',
    'trawler-operator',
    'trawler-server',
  ]);
  for (const { spec } of found) {
    const [container] = spec.template.spec.containers as unknown as { ports: object[] }[];
    expect(container?.ports).toContainEqual({ name: 'metrics', containerPort: 2112 });
  }
});

test.each([
  ['monitoring.podMonitor.interval=often', "at '/monitoring/podMonitor/interval'"],
  ['monitoring.alerts.thresholds.deadLetter=3', "additional properties 'deadLetter' not allowed"],
  ['monitoring.alerts.thresholds.memoryShare=85', "at '/monitoring/alerts/thresholds/memoryShare'"],
  ['monitoring.alerts.runbooks=here', "at '/monitoring/alerts/runbooks'"],
])('%s is refused with a reason', async (value, reason) => {
  await expect(render(BASE, value)).rejects.toThrow(reason);
});

// The dashboards as the chart installs them.
import { type Manifest, render } from '../chart/helm.ts';

export type Panel = {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly instant: boolean }[];
  /** The least time between two points. */
  readonly interval?: string;
  readonly fieldConfig?: {
    readonly defaults: {
      readonly links?: readonly { readonly url: string }[];
      readonly custom?: { readonly drawStyle?: string };
    };
  };
};

export type Dashboard = {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
};

export async function dashboardConfigMaps(...values: string[]): Promise<Manifest[]> {
  const manifests = await render('postgres.enabled=true', 'monitoring.dashboards.enabled=true', ...values);
  return manifests.filter(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.includes('-dashboard-'));
}

export async function dashboards(): Promise<Dashboard[]> {
  const configMaps = await dashboardConfigMaps();
  return configMaps.flatMap((configMap) => {
    const { data } = configMap as unknown as { data: Record<string, string> };
    return Object.values(data).map((text) => JSON.parse(text) as Dashboard);
  });
}

export type Query = { readonly title: string; readonly expr: string };

/** What a dashboard asks Prometheus for, with Grafana's variables in it. */
export function queriesOf({ title, panels, annotations }: Dashboard): Query[] {
  return [
    ...panels.flatMap((panel) =>
      (panel.targets ?? []).map(({ expr }, index) => ({ title: `${title}: ${panel.title} (${index})`, expr })),
    ),
    ...annotations.list.map(({ expr }) => ({ title: `${title}: alerts`, expr })),
  ];
}

/** As Grafana asks when namespace and schedule are chosen and the graph shows this long. */
export function filledIn(expr: string, chosen: { namespace: string; schedule: string }, since: string): string {
  return expr
    .replaceAll('$__rate_interval', since)
    .replaceAll('$__interval', since)
    .replaceAll('$__range', since)
    .replaceAll('$namespace', chosen.namespace)
    .replaceAll('$schedule', chosen.schedule);
}

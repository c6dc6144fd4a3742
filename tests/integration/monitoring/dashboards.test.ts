// The dashboards ask for what there is, in words that Prometheus understands, and the chart hands them to Grafana's sidecar.
import { collectDefaultMetrics, Registry } from 'prom-client';
import { beforeAll, describe, expect, test } from 'vitest';
import { METRICS, type MetricEntry } from '#src/telemetry/metric-table.ts';
import { COMPILE_TIMEOUT_MS, prometheusPrograms, promtool } from '../../support/prometheus.ts';
import { render } from '../chart/helm.ts';
import { dashboardConfigMaps, dashboards, filledIn, type Panel, queriesOf } from './dashboards.ts';

beforeAll(prometheusPrograms, COMPILE_TIMEOUT_MS);

const all = await dashboards();
const queries = all.flatMap(queriesOf);

/** Labels by metric, of all that a process of Trawler shows and of the alerts that Prometheus keeps. */
function knownLabels(): Map<string, readonly string[]> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return new Map<string, readonly string[]>([
    ...(Object.values(METRICS) as readonly MetricEntry[]).map(({ name, labels = [] }) => [name, labels] as const),
    ...registry.getMetricsAsArray().map(({ name }) => [name, []] as const),
    ['ALERTS', ['alertname', 'alertstate', 'namespace', 'schedule']],
  ]);
}

/** What Prometheus adds to each series, and what a join with trawler_build_info brings. */
const ADDED = ['instance', 'job', 'service', 'le'];

describe('dashboards', () => {
  test('are an overview, a schedule and its run at work, at addresses that stay', () => {
    expect(all.map(({ uid }) => uid).toSorted()).toEqual(['trawler-overview', 'trawler-run', 'trawler-schedule']);
  });

  test('ask in words that Prometheus understands', async () => {
    const rules = queries.map(({ expr }, index) => ({
      record: `dashboard:query_${index}`,
      expr: filledIn(expr, { namespace: 'red', schedule: 'shop' }, '5m'),
    }));
    const file = { groups: [{ name: 'dashboards', rules }] };
    const said = await promtool(['check', 'rules', '--lint=none', 'queries.yaml'], { 'queries.yaml': file });
    expect(said).toContain(`${queries.length} rules found`);
  });

  test.each(queries)('name metrics and labels that there are: $title', ({ expr }) => {
    const known = knownLabels();
    const labelsInUse = new Set(ADDED);
    const names = [...expr.matchAll(/\b((?:trawler|process|nodejs)_\w+|ALERTS)\b(?:\{([^}]*)\})?/g)];
    expect(names).not.toEqual([]);
    for (const [, name = '', selector = ''] of names) {
      const labels = known.get(name.replace(/_(bucket|sum|count)$/, ''));
      expect(labels, name).toBeDefined();
      for (const label of labels ?? []) labelsInUse.add(label);
      for (const [, label] of selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) expect(labels, name).toContain(label);
    }
    for (const [, labels = ''] of expr.matchAll(/\b(?:by|on|group_left)\s*\(([^)]*)\)/g)) {
      for (const label of labels.split(/,\s*/)) expect([...labelsInUse]).toContain(label);
    }
  });

  test.each(all)('$title uses variables that it has', (dashboard) => {
    const texts = [...queriesOf(dashboard).map(({ expr }) => expr), ...dashboard.templating.list.map((v) => v.query)];
    const used = texts.flatMap((text) => [...text.matchAll(/\$(\w+)/g)].map(([, name = '']) => name));
    const names = [...dashboard.templating.list.map(({ name }) => name), '__rate_interval', '__interval', '__range'];
    expect(names).toEqual(expect.arrayContaining([...new Set(used)]));
    expect(names[0]).toBe('datasource');
  });

  test.each(all)('$title: no panel lies on another or has its id', ({ panels }) => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(cellsOf);
    expect(new Set(cells).size).toBe(cells.length);
  });

  test('bars count what came since the bar before, four scrapes at least, and nothing twice', () => {
    const bars = all.flatMap(({ panels }) =>
      panels.filter(({ fieldConfig }) => fieldConfig?.defaults.custom?.drawStyle === 'bars'),
    );
    expect(bars).not.toEqual([]);
    for (const { interval, targets = [] } of bars) {
      expect(interval).toBe('2m');
      for (const { expr } of targets) expect(expr.match(/\$__\w+/g)).toEqual(['$__interval', '$__interval']);
    }
  });

  test('links of tables lead to a dashboard and to what it lets choose', () => {
    const urls = all.flatMap(({ panels }) =>
      panels.flatMap(({ fieldConfig }) => (fieldConfig?.defaults.links ?? []).map(({ url }) => url)),
    );
    expect(urls).not.toEqual([]);
    for (const url of urls) {
      const { pathname, searchParams } = new URL(url, 'http://grafana');
      const target = all.find(({ uid }) => pathname === `/d/${uid}`);
      const names = target?.templating.list.map(({ name }) => `var-${name}`);
      expect(names).toEqual(expect.arrayContaining([...searchParams.keys()]));
    }
  });
});

function cellsOf({ gridPos: { x, y, w, h } }: Panel): string[] {
  return Array.from({ length: w * h }, (_, index) => `${x + (index % w)}/${y + Math.floor(index / w)}`);
}

describe('the chart', () => {
  test('makes no dashboards unless it is asked to', async () => {
    const names = (await render('postgres.enabled=true')).map(({ metadata }) => metadata.name);
    expect(names.filter((name) => name.includes('dashboard'))).toEqual([]);
  });

  test('gives each a ConfigMap of its own, as the sidecar selects them', async () => {
    const settings = ['monitoring.dashboards.labels.team=crawl', 'monitoring.dashboards.annotations.folder=Trawler'];
    const configMaps = await dashboardConfigMaps(...settings);
    expect(configMaps.map(({ metadata }) => metadata.name).toSorted()).toEqual([
      'trawler-dashboard-overview',
      'trawler-dashboard-run',
      'trawler-dashboard-schedule',
    ]);
    for (const { metadata } of configMaps) {
      expect(metadata.labels).toMatchObject({ grafana_dashboard: '1', team: 'crawl' });
      expect(metadata.annotations).toEqual({ folder: 'Trawler' });
    }
  });

  test('refuses a label that Kubernetes would not take', async () => {
    await expect(render('postgres.enabled=true', 'monitoring.dashboards.labels.on=true')).rejects.toThrow(
      "at '/monitoring/dashboards/labels/on'",
    );
  });
});

// The kinds of panels that the dashboards are made of, and what all of them have in common.
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TableSortByFieldStateBuilder,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  MappingType,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import * as units from '@grafana/grafana-foundation-sdk/units';

/** What numbers are, as Grafana writes them. */
export const UNITS = {
  count: units.Number,
  share: units.PercentUnit,
  seconds: units.Seconds,
  duration: units.DurationSeconds,
  bytes: units.BytesIEC,
  /** Of whatever the title names. */
  perSecond: 'suffix:/s',
  bytesPerSecond: units.BytesPerSecondSI,
} as const;
export type Unit = keyof typeof UNITS;

type PanelBuilder = { build(): Panel };
export type Query = readonly [legend: string, expr: string];
export type Row = { readonly title: string; readonly panels: readonly PanelBuilder[] };

const SOURCE = { type: 'prometheus', uid: '$datasource' };
/** Of the PodMonitor: a rate over less than four scrapes has holes. */
const SCRAPE_INTERVAL = '30s';
/** Of bars: each counts what came since the one before, so that nothing is in two of them. */
const BAR_INTERVAL = '2m';

const GRAPH = { width: 8, height: 8 };
const FIGURE = { width: 4, height: 4 };
const TABLE = { width: 12, height: 8 };

type GraphOptions = {
  readonly description?: string;
  readonly isStacked?: boolean;
  /** One bar for each time, as of counts that are rare. */
  readonly isBars?: boolean;
  /** Shows runs that a point is of. */
  readonly hasExemplars?: boolean;
  readonly max?: number;
};

/** A graph over time, a line for each series of the queries. */
export function graph(title: string, unit: Unit, queries: readonly Query[], options: GraphOptions = {}): PanelBuilder {
  const { description, isStacked, isBars, hasExemplars = false, max } = options;
  const panel = new TimeSeriesBuilder()
    .title(title)
    .datasource(SOURCE)
    .interval(isBars ? BAR_INTERVAL : SCRAPE_INTERVAL)
    .span(GRAPH.width)
    .height(GRAPH.height)
    .unit(UNITS[unit])
    .min(0)
    .showPoints(VisibilityMode.Never)
    .fillOpacity(isStacked || isBars ? 40 : 8)
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .legend(new VizLegendOptionsBuilder().showLegend(true).calcs(['lastNotNull', 'max']));
  if (description !== undefined) panel.description(description);
  if (isBars) panel.drawStyle(GraphDrawStyle.Bars);
  if (isStacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  if (max !== undefined) panel.max(max);
  for (const [index, query] of queries.entries()) {
    panel.withTarget(target(index, query).range().exemplar(hasExemplars));
  }
  return panel;
}

type FigureOptions = {
  readonly description?: string;
  /** Red from this value on. */
  readonly redFrom?: number;
  /** Words in place of values. */
  readonly words?: Readonly<Record<string, string>>;
};

/** One number, or one for each series: as it is now. */
export function figure(title: string, unit: Unit, [legend, expr]: Query, options: FigureOptions = {}): PanelBuilder {
  const { description, redFrom, words } = options;
  const steps = [{ value: null, color: 'green' }, ...(redFrom === undefined ? [] : [{ value: redFrom, color: 'red' }])];
  const panel = new StatBuilder()
    .title(title)
    .datasource(SOURCE)
    .interval(SCRAPE_INTERVAL)
    .span(FIGURE.width)
    .height(FIGURE.height)
    .unit(UNITS[unit])
    .graphMode(BigValueGraphMode.None)
    .colorMode(redFrom === undefined ? BigValueColorMode.None : BigValueColorMode.Value)
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps))
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .withTarget(target(0, [legend, expr]).instant());
  if (description !== undefined) panel.description(description);
  if (words !== undefined) {
    const options = Object.fromEntries(Object.entries(words).map(([value, text]) => [value, { text }]));
    panel.mappings([{ type: MappingType.ValueToText, options }]);
  }
  return panel;
}

export type Column = { readonly title: string; readonly unit: Unit; readonly expr: string };

/** A line for each schedule that one of the columns has a value for, which leads to the dashboard of the schedule. */
export function tableOfSchedules(title: string, description: string, columns: readonly Column[]): PanelBuilder {
  const toSchedule = new DashboardLinkBuilder('Schedule').url(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own.
    '/d/trawler-schedule?var-namespace=${__data.fields.namespace}&var-schedule=${__data.fields.schedule}',
  );
  const valueColumn = (index: number) => (columns.length === 1 ? 'Value' : `Value #${refId(index)}`);
  const names = Object.fromEntries(columns.map((column, index) => [valueColumn(index), column.title]));
  const [first] = columns;
  const panel = new TableBuilder()
    .title(title)
    .description(description)
    .datasource(SOURCE)
    .span(TABLE.width)
    .height(TABLE.height)
    .dataLinks([toSchedule])
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({ id: 'organize', options: { excludeByName: { Time: true }, renameByName: names } })
    .sortBy([new TableSortByFieldStateBuilder().displayName(first?.title ?? '').desc(true)]);
  for (const [index, { title: column, unit, expr }] of columns.entries()) {
    panel.withTarget(target(index, ['', expr]).instant().format(PromQueryFormat.Table));
    panel.overrideByName(column, [{ id: 'unit', value: UNITS[unit] }]);
  }
  return panel;
}

function target(index: number, [legend, expr]: Query): DataqueryBuilder {
  return new DataqueryBuilder().refId(refId(index)).expr(expr).legendFormat(legend).datasource(SOURCE);
}

const refId = (index: number) => String.fromCharCode('A'.charCodeAt(0) + index);

/** A choice among the values that a label of a metric has. */
export function choice(name: string, metric: string, { isMultiple }: { isMultiple: boolean }): QueryVariableBuilder {
  const variable = new QueryVariableBuilder(name)
    .datasource(SOURCE)
    .query(`label_values(${metric}, ${name})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(isMultiple)
    .includeAll(isMultiple);
  // What there is later has to be shown, too; a list of what there is now would not.
  return isMultiple ? variable.allValue('.*').current({ selected: true, text: ['All'], value: ['$__all'] }) : variable;
}

export type DashboardOptions = {
  /** Of the address, which stays: `trawler-` and the name of the file. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** As far as it looks back when it is opened, such as `6h`. */
  readonly since: string;
  readonly refresh: string;
  readonly variables: readonly QueryVariableBuilder[];
  /** Selects the alerts that are marked in the graphs. */
  readonly alerts: string;
  readonly rows: readonly Row[];
};

export function dashboard(options: DashboardOptions): Dashboard {
  const { name, title, description, since, refresh, variables, alerts, rows } = options;
  const firing = `ALERTS{alertname=~"Trawler.+", alertstate="firing"${alerts}}`;
  const built = new DashboardBuilder(title)
    .uid(`trawler-${name}`)
    .description(description)
    .tags(['trawler'])
    .time({ from: `now-${since}`, to: 'now' })
    .refresh(refresh)
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(new DashboardLinkBuilder('Trawler').type(DashboardLinkType.Dashboards).tags(['trawler']).keepTime(true))
    .annotation(
      new AnnotationQueryBuilder()
        .name('Alerts')
        .datasource(SOURCE)
        .enable(true)
        .iconColor('red')
        .expr(firing)
        .titleFormat('{{alertname}}')
        .textFormat('{{namespace}}/{{schedule}}'),
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'));
  for (const variable of variables) built.withVariable(variable);
  for (const { title: row, panels } of rows) {
    built.withRow(new RowBuilder(row));
    for (const panel of panels) built.withPanel(panel);
  }
  return finished(built.build());
}

/** With ids, and with the links and the switch of the alerts in sight: the builders put them into a menu. */
function finished({ panels = [], links = [], annotations, ...rest }: Dashboard): Dashboard {
  return {
    ...rest,
    panels: panels.map((panel, index) => ({ ...panel, id: index + 1 })),
    links: links.map(({ placement: _, ...link }) => link),
    annotations: { list: (annotations?.list ?? []).map(({ placement: _, ...query }) => query) },
  };
}

/**
 * How much counters have risen, bar by bar, in whole numbers: `increase` guesses what was at the edges. Those of rare things often begin with
 * the first one, of which it sees nothing: what a series begins with counts, too.
 * @param by the label that there is a bar for
 */
export function risen(by: string, counter: string): string {
  const since = '$__interval';
  return `round(sum by (${by}) ((${counter} unless ${counter} offset ${since}) or increase(${counter}[${since}])))`;
}

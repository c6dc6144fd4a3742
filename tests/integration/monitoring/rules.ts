// The alerts as the chart installs them.
import { render } from '../chart/helm.ts';

export type AlertRule = {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};

export type RuleFile = { readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[] };

/** The content of a rule file of Prometheus, with the values given as `key=value`. */
export async function ruleFile(...values: string[]): Promise<RuleFile> {
  const manifests = await render('postgres.enabled=true', 'monitoring.alerts.enabled=true', ...values);
  const rule = manifests.find(({ kind }) => kind === 'PrometheusRule');
  if (rule === undefined) throw new Error('the chart has made no PrometheusRule');
  return rule.spec as unknown as RuleFile;
}

export async function alertRules(): Promise<AlertRule[]> {
  return (await ruleFile()).groups.flatMap(({ rules }) => rules);
}

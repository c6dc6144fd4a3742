// Filters of lists as field selectors of the API server of Kubernetes.

type Fields = {
  readonly schedule?: string | undefined;
  readonly phase?: string | undefined;
  readonly trigger?: string | undefined;
};

/** By the selectable fields of the resource. */
export function fieldSelectorOf({ schedule, phase, trigger }: Fields): string | undefined {
  const terms = [
    ['spec.scheduleName', schedule],
    ['status.phase', phase],
    ['spec.trigger.type', trigger],
  ].flatMap(([field, value]) =>
    value === undefined ? [] : `${field}=${value.replaceAll(/[\\,=]/g, String.raw`\$&`)}`,
  );
  return terms.length === 0 ? undefined : terms.join(',');
}

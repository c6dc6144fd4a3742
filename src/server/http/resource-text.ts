// Resources as the JSON text that lists and streams send: made once for all who ask, and a fraction of the memory that the object takes.
import { apiVersionOf, type NamespacedObject, type ResourceType } from '../../kube/kube-object.ts';
import { shown } from './resources.ts';

/** What is kept of a resource. */
export type ResourceText = NamespacedObject & {
  /** All but what is in `spec`, whose end is missing: `{"metadata":{…},"spec":{"scheduleName":"shop"}}`. */
  readonly own: string;
  /** The rest of the spec, `{"sources":[…]}`: one text for all runs of a schedule that are kept. */
  readonly spec: string;
};

type Resource = NamespacedObject & { readonly spec: object };

/** Parts of a run's spec that differ from those of its neighbours. */
const OWN_FIELDS = ['scheduleName', 'trigger'];

/** @param kept texts of specs; one that is equal is used in place of a second copy */
export function resourceText(
  object: Resource,
  type: ResourceType,
  kept: readonly (string | undefined)[],
): ResourceText {
  const { metadata, spec, status } = shown(object);
  const [kind, apiVersion] = [type.kind, apiVersionOf(type)];
  const parts = Object.entries(spec);
  const isOwn = ([name]: [string, unknown]) => OWN_FIELDS.includes(name);
  const own = Object.fromEntries(parts.filter(isOwn));
  const rest = JSON.stringify(Object.fromEntries(parts.filter((part) => !isOwn(part))));
  const { name, namespace, uid, resourceVersion, deletionTimestamp, labels } = metadata;
  return {
    ...{ apiVersion, kind },
    metadata: {
      ...{ name, namespace, uid, resourceVersion },
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      ...(labels === undefined ? {} : { labels }),
    },
    own: JSON.stringify({ apiVersion, kind, metadata, ...(status === undefined ? {} : { status }), spec: own }),
    spec: kept.find((text) => text === rest) ?? rest,
  };
}

/** The JSON of the whole. */
export function textOf({ own, spec }: Pick<ResourceText, 'own' | 'spec'>): string {
  const between = own.endsWith('{}}') || spec === '{}' ? '' : ',';
  return `${own.slice(0, -2)}${between}${spec.slice(1)}}`;
}

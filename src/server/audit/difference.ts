// What a change has made of an object: the fields that differ, before and after. Pure.
import { isDeepStrictEqual } from 'node:util';
import type { NamespacedObject } from '../../kube/kube-object.ts';

type State = NamespacedObject & { readonly spec?: object };
type Fields = Readonly<Record<string, unknown>>;

/** Bytes of JSON that one side may have: a spec may have 1.5 MiB. */
const MOST_BYTES = 64 * 1024;

/** A side that was not there, or has no field that differs, is absent. */
export function differenceOf(
  before: State | undefined,
  after: State | undefined,
): { readonly before?: object; readonly after?: object } {
  const [was, is] = [fieldsOf(before), fieldsOf(after)];
  return { ...side('before', was, is), ...side('after', is, was) };
}

/** By their paths: fields of the spec, and labels and annotations one by one. */
function fieldsOf(state: State | undefined): Fields {
  if (state === undefined) return {};
  const { labels = {}, annotations = {} } = state.metadata;
  const parts = { spec: state.spec ?? {}, 'metadata.labels': labels, 'metadata.annotations': annotations };
  return Object.fromEntries(
    Object.entries(parts).flatMap(([path, part]) =>
      Object.entries(part).map(([key, value]) => [`${path}.${key}`, value]),
    ),
  );
}

function side(
  name: 'before' | 'after',
  fields: Fields,
  other: Fields,
): { readonly before?: object; readonly after?: object } {
  const different = Object.entries(fields).filter(([path, value]) => !isDeepStrictEqual(value, other[path]));
  if (different.length === 0) return {};
  const shown = Object.fromEntries(different);
  const bytes = Buffer.byteLength(JSON.stringify(shown));
  return { [name]: bytes <= MOST_BYTES ? shown : { tooLarge: { fields: different.map(([path]) => path), bytes } } };
}

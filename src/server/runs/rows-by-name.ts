// Rows of each namespace in the order of their names, as the API server of Kubernetes lists them: pages begin after any name. No I/O.

type Named = { readonly metadata: { readonly namespace: string; readonly name: string } };

export type RowsByName<Row extends Named> = {
  /** In place of the one of the same name. */
  put(row: Row): void;
  remove(row: Named): void;
  /** Of this name, or the one before it. */
  nearest(namespace: string, name: string): Row | undefined;
  /** At most `limit` of those that are wanted after the name, and whether there is another one. */
  page(
    namespace: string,
    query: { readonly after: string; readonly limit: number; readonly wants: (row: Row) => boolean },
  ): { readonly rows: readonly Row[]; readonly hasMore: boolean };
};

export function createRowsByName<Row extends Named>(): RowsByName<Row> {
  const namespaces = new Map<string, Row[]>();

  return {
    put(row) {
      const { namespace, name } = row.metadata;
      const rows = namespaces.get(namespace) ?? [];
      if (rows.length === 0) namespaces.set(namespace, rows);
      const index = firstAfter(rows, name);
      if (rows[index - 1]?.metadata.name === name) rows[index - 1] = row;
      else rows.splice(index, 0, row);
    },
    remove({ metadata: { namespace, name } }) {
      const rows = namespaces.get(namespace) ?? [];
      const index = firstAfter(rows, name) - 1;
      if (rows[index]?.metadata.name === name) rows.splice(index, 1);
      if (rows.length === 0) namespaces.delete(namespace);
    },
    nearest(namespace, name) {
      const rows = namespaces.get(namespace) ?? [];
      return rows[firstAfter(rows, name) - 1];
    },
    page(namespace, { after, limit, wants }) {
      const rows = namespaces.get(namespace) ?? [];
      const found: Row[] = [];
      for (let index = firstAfter(rows, after); index < rows.length && found.length <= limit; index += 1) {
        const row = rows[index];
        if (row !== undefined && wants(row)) found.push(row);
      }
      return { rows: found.slice(0, limit), hasMore: found.length > limit };
    },
  };
}

/** Names are ASCII, so their order by character is that of etcd by byte. */
function firstAfter(rows: readonly Named[], name: string): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle]?.metadata.name ?? '') > name) high = middle;
    else low = middle + 1;
  }
  return low;
}

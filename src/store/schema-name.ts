// The schema's name appears in statements and in role names: it is held to what needs no quoting.

/** Throws a RangeError that says what is allowed. */
export function checkSchemaName(schema: string): void {
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(schema) || schema.startsWith('pg_')) {
    throw new RangeError(
      `"${schema}" cannot be the database schema: use at most 40 of a-z, 0-9 and _, not starting with a digit or pg_`,
    );
  }
}

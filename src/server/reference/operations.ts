// The OpenAPI document as a reference shows it: routes by their tags, and the fields of what goes in and comes out. Pure.

export type Schema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
};
type Content = Readonly<Record<string, { readonly schema: Schema }>>;
type Parameter = { readonly name: string; readonly in: string; readonly required?: boolean; readonly schema: Schema };
export type Operation = {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
};
export type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
};

export type Route = { readonly path: string; readonly method: string; readonly operation: Operation };
export type Field = { readonly name: string; readonly schema: Schema; readonly isRequired: boolean };

/** In the order of the document. */
export function routesByTag({
  paths,
}: Document): readonly { readonly tag: string; readonly routes: readonly Route[] }[] {
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const tags = [...new Set(routes.flatMap(({ operation }) => operation.tags))];
  return tags.map((tag) => ({ tag, routes: routes.filter(({ operation }) => operation.tags.includes(tag)) }));
}

export function parametersOf({ parameters = [] }: Operation, place: 'query' | 'header'): readonly Field[] {
  return parameters
    .filter((parameter) => parameter.in === place)
    .map(({ name, schema, required = false }) => ({ name, schema, isRequired: required }));
}

export function bodyOf({ requestBody }: Operation): Schema | undefined {
  return requestBody?.content['application/json']?.schema;
}

export function fieldsOf({ properties = {}, required = [] }: Schema): readonly Field[] {
  return Object.entries(properties).map(([name, schema]) => ({ name, schema, isRequired: required.includes(name) }));
}

/** Name of the schema that it refers to. */
export function referenceOf({ $ref }: Schema): string | undefined {
  return $ref?.split('/').at(-1);
}

/** As `string`, `a | b` or `Item[]`. */
export function kindOf(schema: Schema): string {
  const { enum: values, type, items } = schema;
  if (items !== undefined) {
    const one = kindOf(items);
    return one.includes(' | ') ? `(${one})[]` : `${one}[]`;
  }
  return values?.join(' | ') ?? referenceOf(schema) ?? ([type].flat().join(' | ') || 'any');
}

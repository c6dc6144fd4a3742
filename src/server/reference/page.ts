// The reference page: one HTML file of the OpenAPI document, without scripts and without anything of another origin.
import { html, raw } from 'hono/html';
import {
  bodyOf,
  type Document,
  type Field,
  fieldsOf,
  kindOf,
  parametersOf,
  type Route,
  referenceOf,
  routesByTag,
  type Schema,
} from './operations.ts';

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
h3 { font: 600 1rem/1.5 ui-monospace, monospace; margin: 2rem 0 .25rem; overflow-wrap: anywhere }
h3 b { display: inline-block; min-width: 4.5rem }
nav a { margin-right: 1rem }
table { border-collapse: collapse; width: 100% }
caption { text-align: left; font-weight: 600; padding-top: .5rem }
td { border-top: 1px solid #ddd; padding: .25rem .75rem .25rem 0; vertical-align: top; overflow-wrap: anywhere }
code { font: .9em ui-monospace, monospace }
@media (prefers-color-scheme: dark) { body { color: #e6e6e6; background: #16181c } a { color: #8ab4f8 } td { border-color: #3a3d43 } }
`;

/** What a browser may load for it: nothing. */
export const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export function referencePage(document: Document): string {
  const rooms = routesByTag(document);
  const schemas = Object.entries(document.components?.schemas ?? {});
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Trawler: the API</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<h1>The API</h1>
<nav>${rooms.map(({ tag }) => html`<a href="#${tag}">${tag}</a>`)}<a href="#Schemas">Schemas</a></nav>
${rooms.map(({ tag, routes }) => html`<section id="${tag}"><h2>${tag}</h2>${routes.map(routeSection)}</section>`)}
<section id="Schemas"><h2>Schemas</h2>
${schemas.map(([name, schema]) => html`<h3 id="${name}">${name}</h3>${table('', fieldsOf(schema))}`)}
</section>
</body>
</html>`;
  return String(page);
}

function routeSection({ path, method, operation }: Route) {
  const body = bodyOf(operation);
  const [status, answer] = Object.entries(operation.responses).find(([code]) => code !== 'default') ?? [];
  const [type, content] = Object.entries(answer?.content ?? {})[0] ?? [];
  return html`<h3><b>${method}</b> ${path}</h3><p>${operation.summary}</p>
${table('Query', parametersOf(operation, 'query'))}
${table('Headers', parametersOf(operation, 'header'))}
${body === undefined ? '' : table(`Body. ${body.description ?? ''}`, fieldsOf(body))}
<p>${status} <code>${type}</code> ${answer?.description} ${content === undefined ? '' : kind(content.schema)}</p>
${content === undefined ? '' : table('Answer', fieldsOf(content.schema))}`;
}

function table(caption: string, fields: readonly Field[]) {
  if (fields.length === 0) return '';
  const rows = fields.map(
    ({ name, schema, isRequired }) =>
      html`<tr><td><code>${name}</code>${isRequired ? ' *' : ''}</td><td>${kind(schema)}</td><td>${schema.description}</td></tr>`,
  );
  return html`<table>${caption === '' ? '' : html`<caption>${caption}</caption>`}${rows}</table>`;
}

/** A link where it is a schema with a name. */
function kind(schema: Schema) {
  const text = kindOf(schema);
  const name = referenceOf(schema.items ?? schema);
  return name === undefined ? html`<code>${text}</code>` : html`<a href="#${name}"><code>${text}</code></a>`;
}

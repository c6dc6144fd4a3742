// What was seen of runs that cannot start, as the tables in docs/obstacles: one row a run, in the order of the list.
export type SeenObstacle = {
  readonly what: string;
  readonly spec: object;
  /** The reason of the condition, or `Invalid` where the API server refuses the object. */
  readonly reason: string;
  readonly message: string;
};

/** Names that differ from time to time give way to words. */
function steady(message: string, namespace: string): string {
  return message
    .replaceAll(namespace, 'NAMESPACE')
    .replaceAll(/\b([a-z0-9-]+)-([0-9])-[a-z0-9]{5}\b/g, '$1-$2-SUFFIX')
    .replaceAll(/127\.0\.0\.1:[0-9]+/g, 'ADDRESS')
    .replaceAll(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UID')
    .replaceAll(/\b[0-9a-f]{64}\b/g, 'ID')
    .replaceAll('|', '\\|')
    .replaceAll('\n', ' ')
    .trim();
}

/** Markdown, made by a test and held by it: a message that has changed is a change of the docs. */
export function obstacleTable(title: string, seen: readonly SeenObstacle[], namespace: string): string {
  const rows = seen.map(
    ({ what, spec, reason, message }) =>
      `| ${what} | \`${shortened(JSON.stringify(spec)).replaceAll('|', '\\|')}\` | ${reason} | ${steady(message, namespace)} |`,
  );
  return `${[`# ${title}`, '', '| what is wrong | spec | reason | message |', '| --- | --- | --- | --- |', ...rows].join('\n')}\n`;
}

function shortened(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 159)}…`;
}

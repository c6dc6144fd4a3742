// Options that the operator's program and its plugin for kubectl read alike.
import { InvalidArgumentError, Option } from 'commander';
import { LOG_LEVELS } from '../telemetry/logger.ts';

/** Throws an InvalidArgumentError for what is no whole number above 0. */
export function positive(text: string): number {
  const parsed = Number(text);
  if (!Number.isInteger(parsed) || parsed < 1) throw new InvalidArgumentError('write a whole number above 0');
  return parsed;
}

export function levelOption(): Option {
  return new Option('--level <level>', 'lines of this level and above').choices(LOG_LEVELS);
}

/** Which changes of a run are wanted, and how they are printed. */
export function changesOptions(): { readonly kind: Option; readonly change: Option; readonly output: Option } {
  return {
    kind: new Option('--kind <kind>', 'pages or items alone').choices(['Url', 'Item']),
    change: new Option('--change <change>', 'changes of one kind, or pages that are as they were').choices([
      ...['New', 'Changed', 'Gone', 'Unseen', 'Unchanged'],
    ]),
    output: new Option('-o, --output <format>', 'how it is printed')
      .choices(['jsonl', 'csv', 'counts'])
      .default('jsonl'),
  };
}

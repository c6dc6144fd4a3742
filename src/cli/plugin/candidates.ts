// Which words may stand next on a command line. Pure: names of objects are asked of the caller.
import type { Command, Option } from 'commander';

const NAMED_KINDS = ['run', 'schedule', 'backfill'] as const;
export type NamedKind = (typeof NAMED_KINDS)[number];

/** Words, or the kinds of objects whose names they are. */
export type Candidates = { readonly words: readonly string[]; readonly names: readonly NamedKind[] };

const NONE: Candidates = { words: [], names: [] };

/** @param line the words behind the program's name; the last one is being written, '' where none was begun */
export function candidatesOf(program: Command, line: readonly string[]): Candidates {
  const [current = '', ...before] = line.toReversed();
  let command = program;
  let operands = 0;
  let awaiting: Option | undefined;
  for (const word of before.toReversed()) {
    if (awaiting !== undefined) {
      awaiting = undefined;
    } else if (word.startsWith('-')) {
      const option = optionsOf(command).find((one) => one.short === word || one.long === word);
      awaiting = option?.required ? option : undefined;
    } else {
      const below = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
      if (below === undefined) operands += 1;
      else command = below;
    }
  }
  if (awaiting !== undefined) return beginning(current, awaiting.argChoices ?? []);
  if (current.startsWith('-'))
    return beginning(
      current,
      optionsOf(command).flatMap(({ long }) => long ?? []),
    );
  if (command.commands.length > 0) {
    const below = command.createHelp().visibleCommands(command);
    return beginning(
      current,
      below.map((one) => one.name()),
    );
  }
  const argument = command.registeredArguments[operands]?.name() ?? '';
  const kinds = NAMED_KINDS.filter((kind) => argument.split('-').includes(kind));
  return kinds.length > 0 ? { words: [], names: kinds } : NONE;
}

function beginning(current: string, words: readonly string[]): Candidates {
  return { words: words.filter((word) => word.startsWith(current)), names: [] };
}

/** Its own and those of the commands above it. */
function optionsOf(command: Command): readonly Option[] {
  return [...command.options, ...(command.parent === null ? [] : optionsOf(command.parent))];
}

// What is said of dead letters that were changed, or could not be. Pure.
import type { DeadLetterChange, DeadLetterFilter } from '../../store/dead-letter-store.ts';
import { ProblemError } from '../http/problem.ts';

/** As ` of HttpError at shop.example`; nothing for all of them. */
export function filterInWords({ cause, source, host, url }: DeadLetterFilter): string {
  const parts = [
    cause === undefined ? '' : ` of ${cause}`,
    source === undefined ? '' : ` in ${source}`,
    host === undefined ? '' : ` at ${host}`,
    url === undefined ? '' : ` (${url})`,
  ];
  return parts.join('');
}

export function hasEnded(name: string): string {
  return `run "${name}" has ended; retry its dead letters: ${retryCommand(name)}`;
}

/**
 * Why not all that was asked for could be changed; undefined where it was.
 * @param done what became of those that were changed, as `were cleared`
 */
export function refusalOf(
  name: string,
  { state, changed, cause }: DeadLetterChange,
  done: string,
): ProblemError | undefined {
  const before = changed === 0 ? '' : `${changed} dead letters ${done}; then: `;
  const retry = `when it has ended, a retry takes its dead letters: ${retryCommand(name)}`;
  switch (state) {
    case 'Changed':
      return undefined;
    case 'Unknown':
      return new ProblemError('Conflict', `run "${name}" has not begun: it has no dead letters`);
    case 'Ended':
      return new ProblemError('Conflict', before + hasEnded(name));
    case 'Stopping':
      return new ProblemError('Conflict', `${before}run "${name}" is being stopped; ${retry}`);
    case 'WritingOutput':
      return new ProblemError('Conflict', `${before}run "${name}" is writing its file; ${retry}`);
    case 'Interrupted': {
      const why = cause instanceof Error ? cause.message : String(cause);
      return new ProblemError('Unavailable', `${before}${why}. Call again for the rest`, { cause, retryAfter: 5 });
    }
  }
}

function retryCommand(name: string): string {
  return `kubectl trawler retry ${name} --dead`;
}

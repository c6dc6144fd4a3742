// `kubectl trawler explain`: why a run is as it is.
import { type Command, Option } from 'commander';
import { type Explanation, explainRun, explanationLines } from '../../custom-resources/explain-run.ts';
import { readRunEvidence } from '../../custom-resources/run-evidence.ts';
import { findRun, globalOptions, type Session, withSession } from './session.ts';

export function addExplain(program: Command): void {
  program
    .command('explain <run>')
    .description('why a run waits, is slow or has failed, and what to do about it')
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['text', 'json']).default('text'))
    .action(async (run: string, { output }: { readonly output: 'text' | 'json' }, command: Command) => {
      const options = globalOptions(command);
      const explanation = await withSession(options, (session) => explain(session, run));
      const asJson = output === 'json' || options.json;
      console.log(asJson ? JSON.stringify(explanation) : explanationLines(explanation).join('\n'));
    });
}

async function explain(session: Session, name: string): Promise<Explanation> {
  const run = await findRun(session, name);
  return explainRun(await readRunEvidence(session.api, run, session.signal), new Date());
}

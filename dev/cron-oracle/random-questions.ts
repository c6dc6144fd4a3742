// Random cron expressions, zones and instants, mostly where it is hard: near clock changes, leap days and year ends.
import { findTimeZone } from '../../src/schedule/time-zone.ts';
import type { Question } from './oracle.ts';

/** A number from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number;

/** The same numbers for the same seed (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Zones that change their clocks in ways of their own: at midnight, by half an hour, by two, twice around Ramadan. */
const UNUSUAL_ZONES = [
  ...['America/New_York', 'Europe/London', 'Australia/Sydney', 'Australia/Lord_Howe', 'America/Sao_Paulo'],
  ...['America/Santiago', 'Africa/Cairo', 'Africa/Casablanca', 'Pacific/Apia', 'America/Havana', 'Asia/Beirut'],
  ...['Antarctica/Troll', 'America/Nuuk', 'Asia/Tehran', 'Asia/Kathmandu', 'Asia/Gaza', 'Etc/UTC'],
];
const ALL_ZONES = Intl.supportedValuesOf('timeZone');
const MONTHS = ['jan', 'FEB', 'Mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'DEC'];
const WEEKDAYS = ['SUN', 'mon', 'Tue', 'wed', 'thu', 'fri', 'SAT'];
const MACROS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

/** Not before: where clocks jump over a whole day, as in Apia at the end of 2011, robfig/cron searches without end. */
const FIRST_INSTANT = Date.parse('2012-01-02');
const LAST_INSTANT = Date.parse('2037-12-31');
const DAY_MS = 86_400_000;

/** `count` questions; a few instants for each pair of expression and zone. */
export function* randomQuestions(random: Random, count: number): Generator<Question> {
  const instantsEach = 10;
  for (let asked = 0; asked < count; ) {
    const expression = randomExpression(random);
    const timeZone = pick(random, random() < 0.7 ? UNUSUAL_ZONES : ALL_ZONES);
    for (let index = 0; index < instantsEach && asked < count; index += 1, asked += 1) {
      yield { expression, timeZone, second: Math.floor(randomInstant(random, timeZone) / 1_000) };
    }
  }
}

function randomExpression(random: Random): string {
  if (random() < 0.02) return pick(random, MACROS);
  const time = [randomField(random, 0, 59), random() < 0.6 ? randomField(random, 0, 4) : randomField(random, 0, 23)];
  const date = [
    random() < 0.6 ? '*' : randomField(random, 1, 31),
    random() < 0.6 ? '*' : randomField(random, 1, 12, MONTHS),
    random() < 0.6 ? '*' : randomField(random, 0, 6, WEEKDAYS),
  ];
  const seconds = random() < 0.25 ? [randomField(random, 0, 59)] : [];
  return [...seconds, ...time, ...date].join(' ');
}

function randomField(random: Random, min: number, max: number, names: readonly string[] = []): string {
  const part = randomPart(random, min, max, names);
  return random() < 0.15 ? `${part},${randomPart(random, min, max, names)}` : part;
}

function randomPart(random: Random, min: number, max: number, names: readonly string[]): string {
  const value = () => min + Math.floor(random() * (max - min + 1));
  const text = (number: number) => (random() < 0.5 ? names[number - min] : undefined) ?? String(number);
  const step = () => 1 + Math.floor(random() * (max - min));
  const [a, b] = [value(), value()];
  const [low, high] = [Math.min(a, b), Math.max(a, b)];
  const kind = random();
  if (kind < 0.25) return random() < 0.9 ? '*' : '?';
  if (kind < 0.6) return text(a);
  // SUN is the seventh day where a range ends with it, and the first for robfig/cron.
  if (kind < 0.7) return `${text(low)}-${high === min ? high : text(high)}`;
  if (kind < 0.8) return `${low}-${high}/${step()}`;
  if (kind < 0.9) return `*/${step()}`;
  return `${a}/${step()}`;
}

/** In milliseconds, and in half of all cases within hours or two days of a change of the zone's clocks. */
function randomInstant(random: Random, timeZone: string): number {
  const instant = FIRST_INSTANT + random() * (LAST_INSTANT - FIRST_INSTANT);
  const kind = random();
  const change = findTimeZone(timeZone)?.periodAt(instant).end ?? instant;
  if (kind < 0.2) return change + ((random() - 0.5) * DAY_MS) / 6;
  if (kind < 0.5) return change + (random() - 0.6) * 3 * DAY_MS;
  const year = new Date(instant).getUTCFullYear();
  if (kind < 0.6) return Date.UTC(year, 1, 27) + random() * 4 * DAY_MS;
  if (kind < 0.7) return Date.UTC(year, 11, 30) + random() * 4 * DAY_MS;
  return instant;
}

function pick<T>(random: Random, values: readonly [T, ...T[]] | readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new RangeError('nothing to pick from');
  return value;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/**
 * A duration the way `kubectl get` prints ages: two units while the larger one is small, so that a column of them stays
 * narrow and its precision stays useful. Anything below zero is a clock that disagrees, and reads as just now.
 */
export function formatDuration(milliseconds: number): string {
  const ms = Math.max(0, milliseconds);
  if (ms < 2 * MINUTE) {
    return `${Math.floor(ms / SECOND)}s`;
  }
  if (ms < 10 * MINUTE) {
    return pair(ms, MINUTE, 'm', SECOND, 's');
  }
  if (ms < 3 * HOUR) {
    return `${Math.floor(ms / MINUTE)}m`;
  }
  if (ms < 8 * HOUR) {
    return pair(ms, HOUR, 'h', MINUTE, 'm');
  }
  if (ms < 2 * DAY) {
    return `${Math.floor(ms / HOUR)}h`;
  }
  if (ms < 8 * DAY) {
    return pair(ms, DAY, 'd', HOUR, 'h');
  }
  if (ms < 2 * YEAR) {
    return `${Math.floor(ms / DAY)}d`;
  }
  if (ms < 8 * YEAR) {
    return pair(ms, YEAR, 'y', DAY, 'd');
  }
  return `${Math.floor(ms / YEAR)}y`;
}

function pair(ms: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)}${largeUnit}${rest === 0 ? '' : `${rest}${smallUnit}`}`;
}

/** The age of a timestamp, or a dash where there is none that can be read. */
export function formatAge(timestamp: string | number | null, now: number): string {
  const at = toMillis(timestamp);
  return at === null ? '–' : formatDuration(now - at);
}

export function toMillis(timestamp: string | number | null): number | null {
  const at = typeof timestamp === 'string' ? Date.parse(timestamp) : timestamp;
  return at === null || Number.isNaN(at) ? null : at;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** The time of day, with the date unless it is today's. */
export function formatClock(timestamp: string | number | null, now: number): string {
  const at = toMillis(timestamp);
  if (at === null) {
    return 'an unknown time';
  }
  return new Date(at).toDateString() === new Date(now).toDateString() ? CLOCK.format(at) : FULL.format(at);
}

/** The absolute time in the reader's zone and in UTC, for titles. */
export function formatAbsolute(timestamp: string | number | null): string {
  const at = toMillis(timestamp);
  return at === null ? 'unknown' : `${FULL.format(at)} (${new Date(at).toISOString().replace('.000Z', 'Z')})`;
}

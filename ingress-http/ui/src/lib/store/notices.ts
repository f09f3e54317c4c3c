import type { ConnectionState } from '../api/connection';
import type { Lane } from '../api/wire';
import { plural } from '../format/count';
import { firstError, scopeText, type LaneSummary } from './lanes';

/** Something that qualifies what the table shows. */
export interface Notice {
  /** Changes when the notice says something new, so that a dismissed one comes back then. */
  key: string;
  tone: 'warn' | 'bad';
  text: string;
  /** As of when the table's rows are, where that is the point of the notice. */
  since: number | null;
  dismissible: boolean;
}

/** Notices stand above a table that has rows; without rows, the screen in its place says the same at length. */
export function noticesOf(input: { connection: ConnectionState; lanes: LaneSummary; known: number }): Notice[] {
  const { connection, lanes, known } = input;
  if (known === 0) {
    return [];
  }
  const notices: Notice[] = [];
  if (connection.phase === 'lost') {
    notices.push({
      key: 'connection',
      tone: connection.failure.kind === 'unreachable' || connection.failure.kind === 'refused' ? 'bad' : 'warn',
      text: `${connection.failure.message} Nothing below is updated meanwhile.`,
      since: connection.since,
      dismissible: false,
    });
  }
  if (lanes.denied.length > 0) {
    const all = lanes.denied.length === lanes.total;
    const reason = firstError(lanes.denied);
    const why = reason === null ? '' : ` (${reason.reason}: ${reason.message})`;
    notices.push({
      key: `denied ${lanes.denied.map((lane) => lane.id).join(' ')}`,
      tone: all ? 'bad' : 'warn',
      text: all
        ? `The cluster no longer lets this server read ingresses${why}. The rows below are from before.`
        : `The cluster does not let this server read ingresses in ${names(lanes.denied)}${why}.`,
      since: null,
      dismissible: !all,
    });
  }
  return notices;
}

/** A few names, and how many more. */
function names(lanes: readonly Lane[]): string {
  const shown = lanes.slice(0, 3).map(scopeText).join(', ');
  return lanes.length <= 3 ? shown : `${shown} and ${plural(lanes.length - 3, 'more namespace')}`;
}

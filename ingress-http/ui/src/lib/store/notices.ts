import type { ConnectionState } from '../api/connection';
import type { Lane, Verdict } from '../api/wire';
import { plural } from '../format/count';
import { sentence } from '../format/sentence';
import { firstError, scopeText, type LaneSummary } from './lanes';
import { restrictedText, unknownText, type Sight } from './sight';
import type { Judging } from './verdict-watch.svelte';

/** Something that qualifies what the table shows. */
export interface Notice {
  /** Changes when the notice says something new, so that a dismissed one comes back then. */
  key: string;
  tone: 'info' | 'unknown' | 'warn' | 'bad';
  text: string;
  /** As of when the table's rows are, where that is the point of the notice. */
  since: number | null;
  dismissible: boolean;
}

/** Notices stand above a table that has rows; without rows, the screen in its place says the same at length. */
export function noticesOf(input: {
  connection: ConnectionState;
  lanes: LaneSummary;
  sight: Sight;
  accessChanges: number;
  known: number;
  judging: Judging;
  /** The verdict that rows are asked for by. */
  verdict: Verdict | null;
  signOutProblem: string | null;
}): Notice[] {
  const { connection, lanes, known } = input;
  const notices: Notice[] = [];
  if (input.signOutProblem !== null) {
    const text = input.signOutProblem;
    notices.push({ key: text, tone: 'warn', text, since: null, dismissible: true });
  }
  if (input.accessChanges > 0) {
    notices.push({
      key: `access changed ${String(input.accessChanges)}`,
      tone: 'info',
      text: 'What you may see has changed, so everything was read again.',
      since: null,
      dismissible: true,
    });
  }
  if (known === 0) {
    return notices;
  }
  if (connection.phase === 'lost') {
    notices.push({
      key: 'connection',
      tone: connection.failure.kind === 'unreachable' || connection.failure.kind === 'refused' ? 'bad' : 'warn',
      text: `${sentence(connection.failure.message)} Nothing below is updated meanwhile.`,
      since: connection.since,
      dismissible: false,
    });
  } else {
    notices.push(...judgingNotices(input.judging, input.verdict));
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
  // Without a connection, it is the connection that has to be told of.
  const isNews = input.sight.type === 'known' || connection.phase === 'connected';
  return isNews ? [...notices, ...sightNotices(input.sight)] : notices;
}

function judgingNotices(judging: Judging, verdict: Verdict | null): Notice[] {
  const notice = (text: string, since: number | null): Notice => ({
    key: `verdicts ${text}`,
    tone: 'unknown',
    text,
    since,
    dismissible: false,
  });
  switch (judging.type) {
    case 'asking':
    case 'reading':
      return [];
    case 'unwatched':
      return verdict === null
        ? []
        : [notice('This server judges no routes, so rows are not chosen by their verdict.', null)];
    case 'failed':
      return [notice(`Whether routes work is not known: ${judging.message}`, null)];
    case 'known':
      if (judging.lost !== null) {
        return [notice(`Verdicts are not told of any more: ${judging.lost.message}`, judging.lost.since)];
      }
      return judging.staleSince === null
        ? []
        : [notice('Something that routes are judged by is not confirmed current.', Date.parse(judging.staleSince))];
  }
}

function sightNotices(sight: Sight): Notice[] {
  switch (sight.type) {
    case 'asking':
      return [];
    case 'failed':
      return [
        {
          key: 'sight failed',
          tone: 'unknown',
          text: `Whether you see everything is not known: ${sentence(sight.message)} This page asks again by itself.`,
          since: null,
          dismissible: false,
        },
      ];
    case 'known': {
      const notices: Notice[] = [];
      if (sight.unknown.length > 0) {
        notices.push({
          key: 'unknown',
          tone: 'unknown',
          text: unknownText(sight.unknown),
          since: null,
          dismissible: false,
        });
      }
      if (sight.restricted.length > 0) {
        const text = restrictedText(sight.restricted);
        notices.push({ key: text, tone: 'info', text, since: null, dismissible: true });
      }
      return notices;
    }
  }
}

/** A few names, and how many more. */
function names(lanes: readonly Lane[]): string {
  const shown = lanes.slice(0, 3).map(scopeText).join(', ');
  return lanes.length <= 3 ? shown : `${shown} and ${plural(lanes.length - 3, 'more namespace')}`;
}

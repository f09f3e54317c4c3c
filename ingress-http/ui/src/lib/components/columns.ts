import type { SortKey } from '../store/query';

export interface Column {
  key: SortKey;
  title: string;
}

const VERDICT: Column = { key: 'verdict', title: 'Verdict' };

const COLUMNS: readonly Column[] = [
  { key: 'namespace', title: 'Namespace' },
  { key: 'name', title: 'Name' },
  { key: 'class', title: 'Class' },
  { key: 'host', title: 'Hosts' },
  { key: 'backend', title: 'Paths → backends' },
  { key: 'tls', title: 'TLS' },
  { key: 'address', title: 'Address' },
  { key: 'age', title: 'Age' },
];
const JUDGED: readonly Column[] = [VERDICT, ...COLUMNS];

/** In the order in which they are shown; a column's number is its place here. */
export function columnsOf(isJudged: boolean): readonly Column[] {
  return isJudged ? JUDGED : COLUMNS;
}

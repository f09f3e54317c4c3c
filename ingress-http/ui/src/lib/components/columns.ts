import type { SortKey } from '../store/query';

export interface Column {
  key: SortKey;
  title: string;
}

/** In the order in which they are shown; a column's number is its place here. */
export const COLUMNS: readonly Column[] = [
  { key: 'namespace', title: 'Namespace' },
  { key: 'name', title: 'Name' },
  { key: 'class', title: 'Class' },
  { key: 'host', title: 'Hosts' },
  { key: 'backend', title: 'Paths → backends' },
  { key: 'tls', title: 'TLS' },
  { key: 'address', title: 'Address' },
  { key: 'age', title: 'Age' },
];

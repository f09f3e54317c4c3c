/**
 * A user's name, short enough for a corner of the page. A service account's begins with the same 22 characters as every
 * other's, so those are left out.
 */
export function userText(name: string): string {
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  return account === null ? name : `${account[1] ?? ''}/${account[2] ?? ''}`;
}

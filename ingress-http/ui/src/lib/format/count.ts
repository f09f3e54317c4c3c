const NUMBER = new Intl.NumberFormat('en');

export function formatNumber(value: number): string {
  return NUMBER.format(value);
}

/** `1 namespace`, `2 namespaces`, `1,200 ingresses`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

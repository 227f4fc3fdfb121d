import { HeldConnection } from "./held-connection.ts"

/**
 * Connections by a key, in the order in which they were added. Most users have one connection and many rooms one member,
 * so that a lone connection stands for itself; from the second on each has a number, which grows over all keys and which
 * a page can go on after, whoever left meanwhile.
 */
export class ConnectionIndex {
  private readonly byKey = new Map<string, HeldConnection | Map<HeldConnection, number>>()
  private newest = 0

  /** The last number given. */
  get last(): number {
    return this.newest
  }

  get keys(): Iterable<string> {
    return this.byKey.keys()
  }

  add(key: string, connection: HeldConnection): void {
    const found = this.byKey.get(key)
    if (found === undefined) this.byKey.set(key, connection)
    else if (!(found instanceof HeldConnection)) found.set(connection, ++this.newest)
    else {
      const many = new Map([[found, ++this.newest]])
      this.byKey.set(key, many.set(connection, ++this.newest))
    }
  }

  delete(key: string, connection: HeldConnection): void {
    const found = this.byKey.get(key)
    if (found === connection) this.byKey.delete(key)
    else if (found instanceof Map && found.delete(connection) && found.size === 0) this.byKey.delete(key)
  }

  count(key: string): number {
    const found = this.byKey.get(key)
    if (found === undefined) return 0
    return found instanceof HeldConnection ? 1 : found.size
  }

  has(key: string, connection: HeldConnection): boolean {
    const found = this.byKey.get(key)
    return found === connection || (found instanceof Map && found.has(connection))
  }

  of(key: string): Iterable<HeldConnection> {
    const found = this.byKey.get(key)
    if (found === undefined) return []
    return found instanceof HeldConnection ? [found] : found.keys()
  }

  /**
   * The first `limit` after this number, and the number to go on after. A lone connection has none: it was added after
   * every page that its key ever had, for a key with a second page has numbers.
   */
  page(
    key: string,
    after: number,
    limit: number,
  ): { readonly items: readonly HeldConnection[]; readonly next: number | undefined } {
    const found = this.byKey.get(key)
    if (found === undefined) return { items: [], next: undefined }
    if (found instanceof HeldConnection) return { items: [found], next: undefined }
    const items: HeldConnection[] = []
    let next = after
    for (const [connection, number] of found) {
      if (number <= after) continue
      if (items.length === limit) return { items, next }
      items.push(connection)
      next = number
    }
    return { items, next: undefined }
  }
}

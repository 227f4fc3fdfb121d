import { TrieRouter } from "hono/router/trie-router"
import type { RouterRoute } from "hono/types"

/** The methods that a path has a route for, in the order of registration, for `Allow` (RFC 9110, section 10.2.1). */
export const allowedMethods = (routes: readonly RouterRoute[]): ((path: string) => readonly string[]) => {
  const router = new TrieRouter<string>()
  const methods = new Set<string>()
  for (const { method, path } of routes) {
    if (method === "ALL") continue
    methods.add(method)
    router.add(method, path, method)
  }
  return (path) => {
    const found = [...methods].filter((method) => router.match(method, path)[0].length > 0)
    if (found.length === 0) return found
    return [...found, ...(found.includes("GET") ? ["HEAD"] : []), "OPTIONS"]
  }
}

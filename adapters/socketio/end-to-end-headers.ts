import type { IncomingHttpHeaders } from "node:http"

/** RFC 9110, 7.6.1; and `Expect`, which the HTTP server has answered already. */
const HOP_BY_HOP = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
])

/** What a proxy passes on: everything that is not about one TCP connection, nor said in `Connection` to be. */
export const endToEndHeaders = (headers: IncomingHttpHeaders): Record<string, string | string[]> => {
  const named = headers.connection?.toLowerCase().split(/[\s,]+/) ?? []
  const passed: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !HOP_BY_HOP.has(name) && !named.includes(name)) passed[name] = value
  return passed
}

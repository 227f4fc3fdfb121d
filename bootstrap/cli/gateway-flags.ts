import type { Environment } from "#bootstrap/config-sources.ts"
import { type Flags, UsageError } from "./flags.ts"

/** Where the gateway is: `--url`, else ROOMCAST_URL, else this machine at ROOMCAST_PORT or 8137. */
export const gatewayUrl = (flags: Flags, env: Environment): URL => {
  const { ROOMCAST_PORT = "", ROOMCAST_URL } = env
  const port = /^\d{1,5}$/.test(ROOMCAST_PORT) && ROOMCAST_PORT !== "0" ? ROOMCAST_PORT : "8137"
  const text = flags.text("url") ?? (ROOMCAST_URL || `http://127.0.0.1:${port}`)
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UsageError(
      `--url takes an http or https URL, such as http://127.0.0.1:8137, found "${text.replace(/[^/\s]*@/, "…@")}"`,
    )
  if (url.username !== "" || url.password !== "") throw new UsageError("--url takes a URL without user and password")
  return url
}

/** Why nothing answered, in the system's own word where it has one. */
export const unreachable = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : undefined
  return code ?? (cause.name === "TimeoutError" ? "no answer in time" : cause.message)
}

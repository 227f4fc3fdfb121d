import * as Effect from "effect/Effect"
import { signToken } from "#adapters/jose/sign-token.ts"
import type { Config, Loaded } from "#bootstrap/config.ts"
import { roomFault } from "#domain/room.ts"

const DAY_MS = 86_400_000
const USER = "demo"

/** As a POSIX shell takes it for one word. */
export const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

/** A room that the demonstration's user may join by the rules as they are. */
const openRoom = (rooms: Config["rooms"]): string | undefined =>
  rooms
    .filter(({ join }) => join === "anyone" || join === "token")
    .map(({ match }) => match.replaceAll("*", "demo"))
    .find((room) => roomFault(room) === undefined)

const demoToken = async ({ jwt }: Config, now: number): Promise<string | undefined> => {
  if (jwt.secret === undefined) return undefined
  const issuedAt = Math.floor(now / 1000)
  const content = {
    userId: USER,
    issuedAt,
    expiresAt: issuedAt + Math.floor(Math.min(DAY_MS, jwt.maxLifetime) / 1000),
    rooms: ["*"],
    publish: ["*"],
    ...(jwt.issuer !== undefined && { issuer: jwt.issuer }),
    ...(jwt.audience !== undefined && { audience: jwt.audience }),
  }
  return Effect.runPromise(signToken(content, jwt.secret))
}

/**
 * What a newcomer needs, in development: the address, the secrets that were made up (configured ones are not shown), and
 * two lines to be copied into other terminals. `self` is the command that this program was started with.
 */
export const banner = async (
  { config, generated }: Pick<Loaded, "config" | "generated">,
  at: { readonly url: string; readonly version: string; readonly now: number; readonly self: readonly string[] },
): Promise<readonly string[]> => {
  const token = await demoToken(config, at.now)
  const url = at.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
  const room = openRoom(config.rooms)
  const key = generated.includes("apiKey") && config.apiKey !== undefined ? config.apiKey : undefined
  const data = JSON.stringify({
    to: room === undefined ? { users: [USER] } : { rooms: [room] },
    event: "hello",
    data: { text: "It works" },
  })
  const listen = [...at.self, "tail", ...(room === undefined ? [] : [room]), "--url", url].map(quote).join(" ")
  const withToken = token === undefined && config.jwt.anonymous ? "" : ` --token ${token ?? '"$TOKEN"'}`
  const push = `curl -X POST ${quote(`${url}/v1/messages`)} -H "Authorization: Bearer ${key ?? "$ROOMCAST_API_KEY"}" -H "Content-Type: application/json" -d ${quote(data)}`
  const note = (text: string): string[] => (text === "" ? [] : [`  ${text}`])
  return [
    "",
    `Roomcast ${at.version}, in development${generated.length === 0 ? "" : `; made up at this start: ${generated.join(", ")}`}`,
    "",
    `  address  ${url}`,
    ...(key === undefined ? [] : [`  API key  ${key}`]),
    ...(token === undefined ? [] : [`  token    ${token}`, `           (a client's, for the user ${USER})`]),
    "",
    "Listen, in a second terminal:",
    `  ${listen}${withToken}`,
    ...note(token === undefined && !config.jwt.anonymous ? "with a token of your issuer's in TOKEN" : ""),
    "",
    "Push a message, in a third:",
    `  ${push}`,
    ...note(key === undefined ? "with your key in ROOMCAST_API_KEY" : ""),
    "",
    "Production: NODE_ENV=production; it makes nothing up.",
    "",
  ]
}

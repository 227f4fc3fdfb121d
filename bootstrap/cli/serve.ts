import { serve as serveGateway } from "#bootstrap/serve.ts"
import { version } from "#bootstrap/version.ts"
import { banner } from "./banner.ts"
import type { Command } from "./command.ts"
import { CONFIG_FLAGS, CONFIG_FLAGS_HELP, loadFrom, printMistakes } from "./config-flags.ts"
import { type Flags, UsageError } from "./flags.ts"
import { EXIT, type Io } from "./io.ts"

const help = `Usage: roomcast serve [flags]

Starts the gateway. In development, which is whatever is not production, it makes up the secrets that are left out, opens
every room where no rooms are configured, and prints what is needed to try it. SIGTERM and SIGINT end it: connections are
closed so that clients come back elsewhere, over drain.time at most. A second signal ends it at once.

${CONFIG_FLAGS_HELP}

Examples:
  roomcast serve
  roomcast serve --port 9000 --handlers ./handlers
  ROOMCAST_JWT_SECRET=… ROOMCAST_API_KEY=… roomcast serve --production --config roomcast.yaml

Exit codes: 0 ended by a signal, 1 it did not start, 2 wrong usage.`

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const

type Running = Awaited<ReturnType<typeof serveGateway>>

/** Until a signal has ended it. */
const untilSignal = (starting: Promise<Running>, io: Io): Promise<number> =>
  new Promise((resolve) => {
    let ending = false
    const close = async (): Promise<number> => {
      try {
        await (await starting).close()
        return EXIT.done
      } catch (error) {
        io.err(`roomcast: it did not end cleanly: ${messageOf(error)}`)
        return EXIT.failed
      }
    }
    for (const [signal, code] of Object.entries(SIGNALS))
      process.on(signal, () => {
        if (ending) io.exit(code)
        ending = true
        void close().then(resolve)
      })
  })

const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  if ("code" in error && error.code === "EADDRINUSE") return `${error.message}: choose another with --port`
  return error.message
}

const run = async (flags: Flags, io: Io): Promise<number> => {
  if (flags.positionals.length > 0) throw new UsageError(`unknown argument "${flags.positionals[0]}"`)
  const loaded = loadFrom(flags, io)
  if ("mistakes" in loaded) {
    printMistakes(loaded.mistakes, io)
    return EXIT.failed
  }
  for (const warning of loaded.warnings) io.err(`roomcast: warning: ${warning}`)
  const starting = serveGateway(loaded.config, { version })
  const ended = untilSignal(starting, io)
  let url: string
  try {
    url = (await starting).url
  } catch (error) {
    io.err(`roomcast: it does not start: ${messageOf(error)}`)
    return io.exit(EXIT.failed)
  }
  if (!loaded.config.production)
    for (const line of await banner(loaded, { url, version, now: Date.now(), self: io.self })) io.out(line)
  return io.exit(await ended)
}

export const serve: Command = { flags: CONFIG_FLAGS, help, run }

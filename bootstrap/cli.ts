import type { Command } from "./cli/command.ts"
import { parseFlags, UsageError } from "./cli/flags.ts"
import { COMMANDS, type CommandName, HELP, isCommand } from "./cli/help.ts"
import { EXIT, type Io } from "./cli/io.ts"
import { nearest } from "./nearest.ts"
import { version } from "./version.ts"

/** Loaded when asked for: `key` need not wait for the gateway's libraries. */
const COMMAND_FILES: Readonly<Record<CommandName, () => Promise<Command>>> = {
  serve: async () => (await import("./cli/serve.ts")).serve,
  push: async () => (await import("./cli/push.ts")).push,
  tail: async () => (await import("./cli/tail.ts")).tail,
  token: async () => (await import("./cli/token.ts")).token,
  key: async () => (await import("./cli/key.ts")).key,
  config: async () => (await import("./cli/config.ts")).config,
}

const asksForHelp = (args: readonly string[]): boolean => {
  const end = args.indexOf("--")
  return args.slice(0, end < 0 ? args.length : end).some((arg) => arg === "--help" || arg === "-h")
}

const refuse = (io: Io, message: string, hint: string): number => {
  io.err(message)
  io.err(hint)
  return EXIT.usage
}

const runCommand = async (name: CommandName, args: readonly string[], io: Io): Promise<number> => {
  const command = await COMMAND_FILES[name]()
  if (asksForHelp(args)) {
    io.out(command.help)
    return EXIT.done
  }
  try {
    return await command.run(parseFlags(args, command.flags), io)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return refuse(io, `roomcast ${name}: ${error.message}`, `roomcast ${name} --help shows how`)
  }
}

/** Runs one command line, without the program's name; answers with the exit code. */
export const runCli = async (args: readonly string[], io: Io): Promise<number> => {
  const [first, ...rest] = args[0] === "help" ? [...args.slice(1), "--help"] : args
  if (first === "--version" || first === "-v") {
    io.out(version)
    return EXIT.done
  }
  if (first === undefined || first === "--help" || first === "-h") {
    io.out(HELP)
    return EXIT.done
  }
  if (isCommand(first)) return runCommand(first, rest, io)
  const what = first.startsWith("-") ? "flag" : "command"
  const meant = nearest(first, Object.keys(COMMANDS))
  const suggestion = meant === undefined ? "" : `: did you mean ${meant}?`
  return refuse(io, `roomcast: unknown ${what} "${first}"${suggestion}`, "roomcast --help lists the commands")
}

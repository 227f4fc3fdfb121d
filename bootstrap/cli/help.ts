/** Each command with what it does, in the order of their use. */
export const COMMANDS = {
  serve: "start the gateway",
  push: "push a message to a room, a user or everybody",
  tail: "connect as a client and print what comes",
  token: "sign a client's token",
  key: "make an API key, or a signing secret",
  config: "check or print the configuration",
} as const

export type CommandName = keyof typeof COMMANDS

export const isCommand = (name: string): name is CommandName => Object.hasOwn(COMMANDS, name)

export const HELP = `Usage: roomcast <command> [flags]

${Object.entries(COMMANDS)
  .map(([name, about]) => `  ${name.padEnd(8)} ${about}`)
  .join("\n")}

  roomcast <command> --help shows a command's flags and examples; roomcast --version the version.

Examples:
  roomcast serve
  roomcast tail demo --token eyJ…
  roomcast push demo hello '{"text":"It works"}' --key rc_…

Exit codes: 0 done, 1 failed, 2 wrong usage.`

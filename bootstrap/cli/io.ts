import type { Environment } from "#bootstrap/config-sources.ts"

/** What a command may touch of the world. */
export interface Io {
  /** One line on stdout: results. */
  readonly out: (line: string) => void
  /** One line on stderr: everything else. */
  readonly err: (line: string) => void
  readonly env: Environment
  readonly readFile: (path: string) => string
  readonly readStdin: () => Promise<string>
  /** How this program was started, for lines to be copied: a command and its first arguments. */
  readonly self: readonly string[]
  /** Ends the process at once. */
  readonly exit: (code: number) => never
}

/** What the command came to. README and `--help` name the same numbers. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const

import type { FlagSpecs, Flags } from "./flags.ts"
import type { Io } from "./io.ts"

/** One of the program's commands. */
export interface Command {
  readonly flags: FlagSpecs
  /** What `--help` prints: usage, flags, examples. */
  readonly help: string
  /** Answers with the exit code; throws a UsageError where the command line is wrong. */
  readonly run: (flags: Flags, io: Io) => Promise<number>
}

import { parseArgs } from "node:util"
import { nearest } from "#bootstrap/nearest.ts"

/** A flag: with a value, or without. `many`: it may be given again. */
interface FlagSpec {
  readonly type: "string" | "boolean"
  readonly many?: true
}

export type FlagSpecs = Readonly<Record<string, FlagSpec>>

/** The command line is wrong: one line that says how. */
export class UsageError extends Error {}

/** A command's arguments, checked against what it takes. */
export class Flags {
  readonly positionals: readonly string[]
  private readonly values: ReadonlyMap<string, readonly (string | true)[]>

  constructor(positionals: readonly string[], values: ReadonlyMap<string, readonly (string | true)[]>) {
    this.positionals = positionals
    this.values = values
  }

  isOn(name: string): boolean {
    return this.values.has(name)
  }

  all(name: string): readonly string[] {
    return (this.values.get(name) ?? []).filter((value) => typeof value === "string")
  }

  text(name: string): string | undefined {
    return this.all(name).at(-1)
  }

  /** A whole number of at least 1. */
  count(name: string): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--${name} takes a whole number from 1, found "${text}"`)
    return Number(text)
  }
}

/** Refuses unknown flags, missing and needless values, and repeated ones. Throws a UsageError. */
export const parseFlags = (args: readonly string[], specs: FlagSpecs): Flags => {
  const options = Object.fromEntries(Object.entries(specs).map(([name, { type }]) => [name, { type }]))
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true })
  const positionals: string[] = []
  const values = new Map<string, (string | true)[]>()
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value)
    if (token.kind !== "option") continue
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined
    if (spec === undefined) {
      const meant = nearest(token.name, Object.keys(specs))
      throw new UsageError(`unknown flag ${token.rawName}${meant === undefined ? "" : `: did you mean --${meant}?`}`)
    }
    const { name, value } = token
    if (spec.type === "string" && value === undefined) throw new UsageError(`--${name} needs a value`)
    if (spec.type === "boolean" && value !== undefined) throw new UsageError(`--${name} takes no value`)
    const before = values.get(name) ?? []
    if (before.length > 0 && spec.many === undefined) throw new UsageError(`--${name} is given twice`)
    values.set(name, [...before, value ?? true])
  }
  return new Flags(positionals, values)
}

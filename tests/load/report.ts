import { ratioOf, type Spread, spreadOf } from "./statistics.ts"

/** What was measured of one server, a number for each round. */
export type Rounds = Readonly<Record<string, readonly number[]>>

export interface Measure {
  readonly key: string
  readonly title: string
  readonly digits: number
}

/** One line for each target: whether it is met. */
export interface Target {
  readonly title: string
  readonly met: boolean
  readonly found: string
}

const inDigits = (value: number, digits: number): string =>
  value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits })

export const formatRatio = ({ max, median, min }: Spread): string =>
  `${inDigits(median, 2)} (${inDigits(min, 2)}..${inDigits(max, 2)})`

/** A Markdown table: a row for each measure, medians, and each server's ratio to `peer`. */
export const tableOf = (
  measures: readonly Measure[],
  servers: ReadonlyMap<string, Rounds>,
  peer: string,
  withoutRatio: ReadonlySet<string> = new Set(),
): string => {
  const compared = [...servers.keys()].filter((name) => name !== peer && !withoutRatio.has(name))
  const header = [
    "",
    peer,
    ...[...servers.keys()].filter((name) => name !== peer),
    ...compared.map((name) => `${name} / ${peer}`),
  ]
  const rows = measures.map(({ digits, key, title }) => {
    const of = (name: string): readonly number[] => servers.get(name)?.[key] ?? []
    const cell = (name: string): string => (of(name).length === 0 ? "" : inDigits(spreadOf(of(name)).median, digits))
    return [
      title,
      ...[peer, ...[...servers.keys()].filter((name) => name !== peer)].map(cell),
      ...compared.map((name) => (of(name).length === 0 ? "" : formatRatio(ratioOf(of(name), of(peer))))),
    ]
  })
  const widths = header.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" | ")} |`
  const rule = `| ${widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`
  return [line(header), rule, ...rows.map(line)].join("\n")
}

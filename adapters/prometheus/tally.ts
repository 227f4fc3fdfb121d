import { Counter, type Registry } from "prom-client"

/** A count that is added to in place, and read at each scrape: prom-client's own `inc` makes a key and an object. */
export interface Tally {
  value: number
}

/** A counter of prom-client's, and what makes its tallies, by the values of its labels. */
export const tallies = (
  registry: Registry,
  name: string,
  help: string,
  ...labelNames: readonly string[]
): ((...values: readonly string[]) => Tally) => {
  const all: (readonly [Record<string, string>, Tally])[] = []
  new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset()
      for (const [labels, tally] of all) this.inc(labels, tally.value)
    },
  })
  return (...values) => {
    const tally = { value: 0 }
    all.push([Object.fromEntries(labelNames.map((label, index) => [label, values[index] ?? ""])), tally])
    return tally
  }
}

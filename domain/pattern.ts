/**
 * Patterns over names: `*` matches any run of characters, everything else itself. Matched greedily from the left, in
 * time linear in the name for each star, so that no pattern and no name can make it slow.
 */
export type Matches = (name: string) => boolean

export const compilePattern = (pattern: string): Matches => {
  const parts = pattern.split("*")
  const first = parts[0] ?? ""
  if (parts.length === 1) return (name) => name === first
  const last = parts[parts.length - 1] ?? ""
  const middle = parts.slice(1, -1).filter((part) => part !== "")
  return (name) => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false
    const end = name.length - last.length
    let at = first.length
    for (const part of middle) {
      const found = name.indexOf(part, at)
      if (found < 0 || found + part.length > end) return false
      at = found + part.length
    }
    return true
  }
}

/** True where one of the patterns matches. */
export const compilePatterns = (patterns: readonly string[]): Matches => {
  const all = patterns.map(compilePattern)
  return (name) => all.some((matches) => matches(name))
}

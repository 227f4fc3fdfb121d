/** The label value that stands for every one that is not admitted. */
export const OTHER = "other"

/** The label value that a word is counted under: itself, or `other`. */
export type Admit = (word: string) => string

export const oneOf = (words: Iterable<string>): Admit => {
  const known = new Set(words)
  return (word) => (known.has(word) ? word : OTHER)
}

/** For words that our own code makes up: the first `limit` of that shape are kept, what comes after them is `other`. */
export const firstFew = (limit: number, shape: RegExp): Admit => {
  const known = new Set<string>()
  return (word) => {
    if (known.has(word)) return word
    if (known.size >= limit || !shape.test(word)) return OTHER
    known.add(word)
    return word
  }
}

/** A metric's children by one label, each made once: counting looks up and adds, and makes no label object. */
export class ByLabel<Child> {
  private readonly children = new Map<string, Child>()
  private readonly admit: Admit
  private readonly make: (value: string) => Child

  constructor(admit: Admit, make: (value: string) => Child) {
    this.admit = admit
    this.make = make
  }

  of(word: string): Child {
    return this.children.get(word) ?? this.child(this.admit(word))
  }

  private child(value: string): Child {
    const known = this.children.get(value)
    if (known !== undefined) return known
    const made = this.make(value)
    this.children.set(value, made)
    return made
  }
}

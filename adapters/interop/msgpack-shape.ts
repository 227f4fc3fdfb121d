/** Of one message; what the stock decoder recurses into stays far from the end of its stack. */
const MAX_DEPTH = 200

/** Bytes after the prefix of each type that has a fixed number of them, by prefix; ext types with their type's byte. */
const FIXED: Readonly<Record<number, number>> = {
  192: 0, // nil
  194: 0, // false
  195: 0, // true
  202: 4, // float 32
  203: 8, // float 64
  204: 1, // uint 8 to 64
  205: 2,
  206: 4,
  207: 8,
  208: 1, // int 8 to 64
  209: 2,
  210: 4,
  211: 8,
  212: 2, // fixext 1 to 16
  213: 3,
  214: 5,
  215: 9,
  216: 17,
}

/** The length's own bytes, and what follows for each unit of it: bytes (with so many more for a type), or items. */
const COUNTED: Readonly<Record<number, { readonly size: 1 | 2 | 4; readonly items?: 1 | 2; readonly more?: number }>> =
  {
    196: { size: 1 }, // bin
    197: { size: 2 },
    198: { size: 4 },
    199: { size: 1, more: 1 }, // ext
    200: { size: 2, more: 1 },
    201: { size: 4, more: 1 },
    217: { size: 1 }, // str
    218: { size: 2 },
    219: { size: 4 },
    220: { size: 2, items: 1 }, // array
    221: { size: 4, items: 1 },
    222: { size: 2, items: 2 }, // map
    223: { size: 4, items: 2 },
  }

/**
 * Whether the bytes are one whole MessagePack value. The stock decoder believes the lengths that it reads: five bytes
 * that promise an array of 33,000,000 items make it allocate 256 MB. https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export const isMessagePack = (bytes: Buffer): boolean => {
  const open: number[] = [1]
  let at = 0
  while (open.length > 0) {
    const left = open.pop() ?? 0
    if (left === 0) continue
    if (at >= bytes.length || open.length > MAX_DEPTH) return false
    open.push(left - 1)
    const prefix = bytes[at++] ?? 0
    let items = 0
    if (prefix < 0x80 || prefix > 0xdf) continue
    if (prefix < 0x90) items = 2 * (prefix & 0x0f)
    else if (prefix < 0xa0) items = prefix & 0x0f
    else if (prefix < 0xc0) at += prefix & 0x1f
    else {
      const fixed = FIXED[prefix]
      const counted = COUNTED[prefix]
      if (fixed !== undefined) at += fixed
      else if (counted === undefined || at + counted.size > bytes.length) return false
      else {
        const length = bytes.readUIntBE(at, counted.size)
        at += counted.size
        if (counted.items === undefined) at += length + (counted.more ?? 0)
        else items = length * counted.items
      }
    }
    if (items > bytes.length - at) return false
    open.push(items)
  }
  return at === bytes.length
}

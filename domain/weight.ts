/** Of an object or array, a string, and anything else, in bytes of memory: about what V8 spends beside the content. */
const OBJECT = 48
const STRING = 24
const SCALAR = 8

/**
 * About what data from outside weighs in memory, in bytes; counted no further than beyond `most`. Far more than its
 * text: `[]` is two characters and an array. Whatever its depth, for it may not have been looked at yet.
 */
export const weightOf = (data: unknown, most: number): number => {
  const stack: unknown[] = [data]
  let weight = 0
  while (stack.length > 0 && weight <= most) {
    const value = stack.pop()
    if (typeof value === "string") weight += STRING + value.length
    else if (typeof value !== "object" || value === null) weight += SCALAR
    else if (ArrayBuffer.isView(value)) weight += OBJECT + value.byteLength
    else if (Array.isArray(value)) {
      weight += OBJECT + SCALAR * value.length
      if (weight <= most) for (const item of value) stack.push(item)
    } else {
      weight += OBJECT
      for (const [key, item] of Object.entries(value)) {
        weight += STRING + SCALAR + key.length
        stack.push(item)
      }
    }
  }
  return weight
}

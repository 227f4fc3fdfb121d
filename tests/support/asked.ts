/** For a program of the tests: what was asked for wrongly is told as it is, and nothing is begun. */
export const asked = <A>(program: string, read: () => A): A => {
  try {
    return read()
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${program} -- --help says more`)
    process.exit(2)
  }
}

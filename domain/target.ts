import type { Fault } from "./errors.ts"
import type { Except } from "./message.ts"
import { nameFault } from "./name.ts"
import { connectionRoom, EVERYBODY, type RoomName, roomFault, userRoom } from "./room.ts"

/** Whom a push is for: a union. As the HTTP API and handlers give it, before it is checked. */
export interface TargetInput {
  readonly rooms?: readonly string[] | undefined
  readonly users?: readonly string[] | undefined
  readonly connections?: readonly string[] | undefined
  readonly all?: boolean | undefined
  readonly except?:
    | {
        readonly rooms?: readonly string[] | undefined
        readonly users?: readonly string[] | undefined
        readonly connections?: readonly string[] | undefined
      }
    | undefined
}

export interface Target {
  /** Each once, in the order given: rooms, users, connections, everybody. */
  readonly rooms: readonly RoomName[]
  readonly except: Except | undefined
}

const MAX_ID = 64
const connectionFault = (id: unknown): string | undefined =>
  typeof id === "string" && id !== "" && id.length <= MAX_ID && /^[\w-]+$/.test(id)
    ? undefined
    : "not a connection's id"

/** More faults than these are not looked for. */
const MAX_FAULTS = 100

const checkAll = (
  list: readonly string[] = [],
  pointer: string,
  fault: (item: unknown) => string | undefined,
  faults: Fault[],
): void => {
  for (let i = 0; i < list.length && faults.length < MAX_FAULTS; i++) {
    const detail = fault(list[i])
    if (detail !== undefined) faults.push({ pointer: `${pointer}/${i}`, detail })
  }
}

const userFault = (id: unknown): string | undefined => nameFault(id, "user")

/** The rooms of a target, or its faults, a hundred at most. `limit`: how many rooms, users and connections it may name, 0 = any. */
export const parseTarget = (input: TargetInput, limit: number): Target | readonly Fault[] => {
  const faults: Fault[] = []
  checkAll(input.rooms, "/to/rooms", roomFault, faults)
  checkAll(input.users, "/to/users", userFault, faults)
  checkAll(input.connections, "/to/connections", connectionFault, faults)
  checkAll(input.except?.rooms, "/to/except/rooms", roomFault, faults)
  checkAll(input.except?.users, "/to/except/users", userFault, faults)
  checkAll(input.except?.connections, "/to/except/connections", connectionFault, faults)
  if (faults.length > 0) return faults
  const rooms = new Set<RoomName>([
    ...((input.rooms ?? []) as readonly RoomName[]),
    ...(input.users ?? []).map(userRoom),
    ...(input.connections ?? []).map(connectionRoom),
    ...(input.all === true ? [EVERYBODY] : []),
  ])
  if (rooms.size === 0) return [{ pointer: "/to", detail: "names nobody: give rooms, users, connections or all" }]
  const excepted = input.except
  const named =
    rooms.size + (excepted?.rooms?.length ?? 0) + (excepted?.users?.length ?? 0) + (excepted?.connections?.length ?? 0)
  if (limit > 0 && named > limit) return [{ pointer: "/to", detail: `names at most ${limit} targets, found ${named}` }]
  return {
    rooms: [...rooms],
    except:
      excepted === undefined
        ? undefined
        : {
            rooms: (excepted.rooms ?? []) as readonly RoomName[],
            users: excepted.users ?? [],
            connections: excepted.connections ?? [],
          },
  }
}

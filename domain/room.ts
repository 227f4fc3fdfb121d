import { nameFault } from "./name.ts"

/** A room's name that was checked. Names that begin with `$` are the gateway's own and are made here only. */
export type RoomName = string & { readonly RoomName: unique symbol }

/** The room of everybody, reached with `to.all`. */
export const EVERYBODY = "$all" as RoomName

/** A user's own room, joined at connect, reached with `to.users`. */
export const userRoom = (userId: string): RoomName => `$user:${userId}` as RoomName

/** One connection's room, reached with `to.connections`; never logged. */
export const connectionRoom = (connectionId: string): RoomName => `$connection:${connectionId}` as RoomName

export const isConnectionRoom = (room: string): boolean => room.startsWith("$connection:")

export const isGatewayRoom = (room: string): boolean => room.startsWith("$")

/** Why a caller may not name this room, or undefined where it may. */
export const roomFault = (text: unknown): string | undefined =>
  nameFault(text, "room") ?? (isGatewayRoom(text as string) ? "names that begin with $ are the gateway's" : undefined)

export const parseRoomName = (text: unknown): RoomName | undefined =>
  roomFault(text) === undefined ? (text as RoomName) : undefined

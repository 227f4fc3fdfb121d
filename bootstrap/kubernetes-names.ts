/**
 * What Kubernetes puts into a pod's environment for Services named roomcast, roomcast-redis and the like: not meant for
 * us. https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
const NAMES = [
  /^ROOMCAST_(?:\w+_)?SERVICE_HOST$/,
  /^ROOMCAST_(?:\w+_)?SERVICE_PORT(?:_\w+)?$/,
  /^ROOMCAST_(?:\w+_)?PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/,
]

export const isFromKubernetes = (name: string, value: string): boolean =>
  NAMES.some((pattern) => pattern.test(name)) ||
  (/^ROOMCAST_(?:\w+_)?PORT$/.test(name) && /^(?:tcp|udp|sctp):\/\/\S+:\d+$/.test(value))

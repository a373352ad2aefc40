import { filtersOverlap } from '../mqtt/topic.js'
import type { Device } from '../store/device.js'

/** What an identity may do, decided by topic. */
export interface Access {
  /** The rules' name, for the log. */
  readonly rules: string
  mayPublish(topic: string): boolean
  mayReceive(topic: string): boolean
  /** Whether some topic that `filter` matches may be received; if none may, a SUBSCRIBE is answered 0x80. */
  mayReceiveSomeOf(filter: string): boolean
}

/** Everything but writing below `$SYS`, which is the server's own. */
export const administratorAccess: Access = {
  rules: 'administrator',
  mayPublish: (topic) => !topic.startsWith('$SYS/'),
  mayReceive: () => true,
  mayReceiveSomeOf: () => true,
}

/** Nothing: a user whom no rule names. */
export const noAccess: Access = {
  rules: 'no rule',
  mayPublish: () => false,
  mayReceive: () => false,
  mayReceiveSomeOf: () => false,
}

/** A device's own topics, in either tree and by either of its names, and no other device's. */
export function deviceAccess(device: Pick<Device, 'uuid' | 'deviceId'>): Access {
  const names = [device.uuid, device.deviceId]
  const own = (...forms: readonly string[]): Set<string> =>
    new Set(forms.flatMap((form) => names.map((name) => form.replace('{name}', () => name))))
  const publishes = own(
    'devices/{name}/data',
    'devices/{name}/status',
    'devices/{name}/heartbeat',
    'device/{name}/data',
    'device/{name}/status',
    'device/{name}/heartbeat',
    'langchain/response/{name}',
    'system/alerts/{name}',
  )
  const receives = own(
    'devices/{name}/control',
    'device/{name}/control',
    'device/control',
    'langchain/process/{name}',
  )
  return {
    rules: 'device',
    mayPublish: (topic) => publishes.has(topic),
    mayReceive: (topic) => receives.has(topic),
    mayReceiveSomeOf: (filter) => [...receives].some((topic) => filtersOverlap(topic, filter)),
  }
}

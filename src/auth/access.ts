import { intersectFilters } from '../mqtt/topic.js'
import type { Device } from '../store/device.js'
import { type AclView, type Decision, unruled } from './acl.js'

/** What an identity may do, decided by topic. */
export interface Access {
  mayPublish(topic: string): Decision
  mayReceive(topic: string): Decision
  /** Whether some topic that `filter` matches may be received; if none may, a SUBSCRIBE is answered 0x80. */
  mayReceiveSomeOf(filter: string): boolean
  /** Whether there is anything at all that may be done. */
  readonly isAny: boolean
}

const ADMINISTRATOR = ruled(true, 'the administrator may do everything')
const SYSTEM = ruled(false, 'nobody may publish below $SYS')
const DEVICE = ruled(true, "a device's own topics")

function ruled(isAllowed: boolean, rule: string): Decision {
  return { isAllowed, isRuled: true, rule }
}

/** Mosquitto's own boundary, which takes in `$SYSTEM` and the like. */
function isSystemTopic(topic: string): boolean {
  return topic.startsWith('$SYS')
}

/** Everything but writing below `$SYS`, which is the server's own. */
export const administratorAccess: Access = {
  mayPublish: (topic) => (isSystemTopic(topic) ? SYSTEM : ADMINISTRATOR),
  mayReceive: () => ADMINISTRATOR,
  mayReceiveSomeOf: () => true,
  isAny: true,
}

/** Nothing: a client that has not logged in, or no longer may. */
export const noAccess: Access = {
  mayPublish: () => unruled,
  mayReceive: () => unruled,
  mayReceiveSomeOf: () => false,
  isAny: false,
}

/** What the rules of `acl.conf` allow, and nothing below `$SYS` to be written. */
export function ruledAccess(acl: AclView): Access {
  return remembering({
    mayPublish: (topic) => (isSystemTopic(topic) ? SYSTEM : acl.decide(topic, 'write')),
    mayReceive: (topic) => acl.decide(topic, 'read'),
    mayReceiveSomeOf: (filter) => acl.mayReadSomeOf(filter),
    isAny: acl.allowsAnything,
  })
}

/**
 * A device's own topics, in either tree and by either of its names, and no other device's; beside them what
 * the rules of `acl.conf` allow. A `deny` rule there goes before a topic of its own.
 */
export function deviceAccess(device: Pick<Device, 'uuid' | 'deviceId'>, acl: AclView): Access {
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
  const decide = (topic: string, wanted: 'read' | 'write', isOwn: boolean): Decision => {
    const decision = acl.decide(topic, wanted)
    return isOwn && !decision.isRuled ? DEVICE : decision
  }
  const access = remembering({
    mayPublish: (topic) => (isSystemTopic(topic) ? SYSTEM : decide(topic, 'write', publishes.has(topic))),
    mayReceive: (topic) => decide(topic, 'read', receives.has(topic)),
    mayReceiveSomeOf: (filter) =>
      [...receives].some(
        (topic) => intersectFilters(topic, filter) !== undefined && access.mayReceive(topic).isAllowed,
      ) || acl.mayReadSomeOf(filter),
    isAny: true,
  })
  return access
}

/** A device uses a dozen topics; a client that uses more is decided on anew each time around. */
const MAX_REMEMBERED = 64

/** Longer topics are decided on each time, so that what one client makes us keep stays below 16 KiB. */
const MAX_REMEMBERED_LENGTH = 128

/** The same access, whose last decisions are a look-up. */
function remembering(access: Access): Access {
  return {
    ...access,
    mayPublish: remembered(access.mayPublish),
    mayReceive: remembered(access.mayReceive),
  }
}

function remembered(decide: (topic: string) => Decision): (topic: string) => Decision {
  let known: Map<string, Decision> | undefined
  return (topic) => {
    const before = known?.get(topic)
    if (before !== undefined) return before
    const decision = decide(topic)
    if (topic.length > MAX_REMEMBERED_LENGTH) return decision
    known ??= new Map()
    if (known.size >= MAX_REMEMBERED) known.clear()
    known.set(topic, decision)
    return decision
  }
}

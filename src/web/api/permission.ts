import type { Identity } from '../../auth/identity.js'
import type { Device } from '../../store/device.js'
import type { Store } from '../../store/store.js'
import { RequestError } from './request-error.js'

/**
 * The device of this `uuid` or `device_id`, for whoever may receive its data, or publish to its control topic.
 *
 * @throws RequestError 403 for others, and 404.
 */
export async function findPermitted(
  store: Pick<Store, 'findDevice'>,
  { access }: Identity,
  name: string,
  wanted: 'read data' | 'write control',
): Promise<Device> {
  const device = await store.findDevice(name)
  // Asked of an unknown device too, so that who may not read it is not told whether it exists.
  const named = device?.uuid ?? name
  const { isAllowed } =
    wanted === 'read data'
      ? access.mayReceive(`devices/${named}/data`)
      : access.mayPublish(`devices/${named}/control`)
  const [verb, topic] = wanted.split(' ')
  if (!isAllowed) throw new RequestError(403, `no rule lets you ${verb} devices/${name}/${topic}`)
  if (device === undefined) throw new RequestError(404, `there is no device ${name}`)
  return device
}

/** Whether somebody may receive the data of this device. */
export function mayRead({ access }: Identity, uuid: string): boolean {
  return access.mayReceive(`devices/${uuid}/data`).isAllowed
}

/**
 * Lets users pass who may read `$SYS/broker/api/WHAT`, as the administrator may. Nothing is published there: a rule
 * for `$SYS/broker/#` takes it in, and none for a topic that Mosquitto has does so by accident. Anonymous clients are
 * often allowed to read `$SYS`, where nobody is named: here somebody is.
 *
 * @throws RequestError 401 or 403 for all others.
 */
export function permitServer({ access, user }: Identity, what: 'clients' | 'statistics' | 'alerts'): void {
  if (user === undefined) throw new RequestError(401, 'log in')
  const topic = `$SYS/broker/api/${what}`
  if (!access.mayReceive(topic).isAllowed) {
    throw new RequestError(403, `no rule lets you read ${topic}`)
  }
}

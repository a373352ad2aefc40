import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashPassword } from '#src/auth/password-hash.js'
import { openStore } from '#src/store/open-store.js'

/** What a client logs in with. */
export type Login = readonly [user: string, password: string]

/** Those who are to log in, written where the server looks for them. */
export type Population = (folder: string, count: number) => Promise<readonly Login[]>

/** The device whose latency is measured. */
export const OBSERVER = {
  uuid: '11111111-2222-4333-8444-555555555555',
  deviceId: 'AIOT-ESP32-00000000',
  secret: '0123456789abcdef0123456789abcdef',
} as const

/** mosquitto_passwd 2.0.11 writes so many iterations, and a salt and a key of these lengths. */
const MOSQUITTO = { iterations: 101, saltBytes: 12, keyBytes: 64 } as const

const HASHES = 2000

/** Users of `passwd` with hashes as mosquitto_passwd 2.0 writes them. */
export const mosquittoUsers: Population = (folder, count) =>
  writeUsers(folder, count, (password) => {
    const salt = randomBytes(MOSQUITTO.saltBytes)
    const key = pbkdf2Sync(password, salt, MOSQUITTO.iterations, MOSQUITTO.keyBytes, 'sha512')
    return `$7$${MOSQUITTO.iterations}$${salt.toString('base64')}$${key.toString('base64')}`
  })

/** What checking one of these passwords takes by itself. */
export function hashCpuMicroseconds(): number {
  const { iterations, saltBytes, keyBytes } = MOSQUITTO
  const salt = randomBytes(saltBytes)
  const before = process.cpuUsage()
  for (let count = 0; count < HASHES; count += 1)
    pbkdf2Sync('a password', salt, iterations, keyBytes, 'sha512')
  const { user, system } = process.cpuUsage(before)
  return (user + system) / HASHES
}

/**
 * The same with a hash as Damselfly writes it. All share password and hash, which took one computation to
 * make; to check them takes one for each user all the same.
 */
export const damselflyUsers: Population = async (folder, count) => {
  const hash = await hashPassword('the password of all')
  return writeUsers(
    folder,
    count,
    () => hash,
    () => 'the password of all',
  )
}

/** Devices of the database. */
export const devices: Population = async (folder, count) => {
  const logins = Array.from({ length: count }, (_, index): Login => {
    const hex = (index + 1).toString(16).padStart(8, '0')
    return [`AIOT-ESP32-${hex}`, hex.repeat(4)]
  })
  await addDevices(
    folder,
    logins.map(([deviceId, secret]) => ({
      uuid: `${deviceId.slice(-8)}-0000-4000-8000-000000000000`,
      deviceId,
      secret,
    })),
  )
  return logins
}

/** Puts the observer into the database. */
export async function addObserver(folder: string): Promise<void> {
  await addDevices(folder, [OBSERVER])
}

async function addDevices(
  folder: string,
  added: readonly { readonly uuid: string; readonly deviceId: string; readonly secret: string }[],
): Promise<void> {
  await mkdir(join(folder, 'data'), { recursive: true })
  const path = join(folder, 'data', 'damselfly.db')
  const store = await openStore({ kind: 'sqlite', path }, { zoneOffsetMinutes: 480 })
  await Promise.all(added.map((device) => store.addDevice({ ...device, name: device.deviceId })))
  await store.close()
}

async function writeUsers(
  folder: string,
  count: number,
  hashOf: (password: string) => string,
  passwordOf = (user: string) => `the password of ${user}`,
): Promise<readonly Login[]> {
  const logins = Array.from({ length: count }, (_, index): Login => {
    const user = `user-${index}`
    return [user, passwordOf(user)]
  })
  await mkdir(join(folder, 'config'), { recursive: true })
  const lines = logins.map(([user, password]) => `${user}:${hashOf(password)}\n`)
  await writeFile(join(folder, 'config', 'passwd'), lines.join(''), { mode: 0o600 })
  return logins
}

import { setTimeout as delay } from 'node:timers/promises'

/** Runs SQL in the database under test. */
type Query = (text: string) => Promise<readonly Readonly<Record<string, unknown>>[]>

/** Every change of `is_online`, as a trigger in the database wrote it down: no flap is too short to be seen. */
export interface PresenceRecord {
  /** The values that a device's `is_online` has taken since, in their order. */
  of(deviceId: number): Promise<readonly number[]>
  /** Resolves when a device's last value is this one. */
  until(deviceId: number, isOnline: boolean): Promise<void>
}

const TRIGGERS = {
  sqlite: [
    'CREATE TABLE presence_record (id INTEGER PRIMARY KEY AUTOINCREMENT, device_id INTEGER, is_online INTEGER)',
    `CREATE TRIGGER presence_record AFTER UPDATE ON device_main WHEN old.is_online <> new.is_online BEGIN
       INSERT INTO presence_record (device_id, is_online) VALUES (new.id, new.is_online); END`,
  ],
  mysql: [
    'CREATE TABLE presence_record (id INT AUTO_INCREMENT PRIMARY KEY, device_id INT, is_online INT)',
    `CREATE TRIGGER presence_record AFTER UPDATE ON device_main FOR EACH ROW
       INSERT INTO presence_record (device_id, is_online)
       SELECT NEW.id, NEW.is_online FROM (SELECT 1) AS one WHERE NOT OLD.is_online <=> NEW.is_online`,
  ],
} as const

/** Has the database write down each change from now on. */
export async function recordPresence(kind: keyof typeof TRIGGERS, query: Query): Promise<PresenceRecord> {
  for (const statement of TRIGGERS[kind]) await query(statement)
  const of = async (deviceId: number): Promise<readonly number[]> => {
    const rows = await query(
      `SELECT is_online FROM presence_record WHERE device_id = ${deviceId} ORDER BY id`,
    )
    return rows.map((row) => Number(row['is_online']))
  }
  return {
    of,
    async until(deviceId, isOnline) {
      // A database tells nobody of a change.
      while ((await of(deviceId)).at(-1) !== Number(isOnline)) await delay(50)
    },
  }
}

/**
 * How the tables are created where they are absent: the platform's columns, and the lengths that its
 * database would enforce on the texts that Damselfly writes. AUTOINCREMENT, for a device's history outlives
 * it for a while, and must not come to a new device that gets its id.
 */
export const tableStatements = [
  `CREATE TABLE IF NOT EXISTS device_main (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL UNIQUE CHECK (length(uuid) <= 36),
  device_id TEXT NOT NULL UNIQUE CHECK (length(device_id) <= 50),
  product_id INTEGER,
  user_id INTEGER,
  school_id INTEGER,
  name TEXT NOT NULL CHECK (length(name) <= 100),
  description TEXT,
  device_secret TEXT NOT NULL CHECK (length(device_secret) <= 255),
  firmware_version TEXT CHECK (length(firmware_version) <= 20),
  hardware_version TEXT,
  device_status TEXT NOT NULL DEFAULT 'pending' CHECK (length(device_status) <= 20),
  is_online INTEGER NOT NULL DEFAULT 0,
  is_active INTEGER NOT NULL DEFAULT 1,
  last_seen TEXT,
  last_report_data TEXT,
  product_code TEXT,
  product_version TEXT,
  last_product_report TEXT,
  product_switch_count INTEGER NOT NULL DEFAULT 0,
  auto_created_product INTEGER NOT NULL DEFAULT 0,
  ip_address TEXT CHECK (length(ip_address) <= 45),
  mac_address TEXT,
  location TEXT,
  group_name TEXT,
  room TEXT,
  floor TEXT,
  device_sensor_config TEXT,
  device_control_config TEXT,
  device_settings TEXT,
  production_date TEXT,
  serial_number TEXT,
  quality_grade TEXT,
  last_heartbeat TEXT,
  error_count INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  uptime INTEGER,
  installation_date TEXT,
  warranty_expiry TEXT,
  last_maintenance TEXT,
  next_maintenance TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT`,

  `CREATE TABLE IF NOT EXISTS device_sensors (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  device_uuid TEXT NOT NULL CHECK (length(device_uuid) <= 36),
  sensor_name TEXT NOT NULL CHECK (length(sensor_name) <= 50),
  sensor_value TEXT NOT NULL CHECK (length(sensor_value) <= 255),
  sensor_unit TEXT NOT NULL DEFAULT '' CHECK (length(sensor_unit) <= 20),
  sensor_type TEXT NOT NULL DEFAULT '' CHECK (length(sensor_type) <= 50),
  timestamp TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (device_uuid, sensor_name)
) STRICT`,

  // The rows lie in the order in which they are read: one device's sensor over a range of time.
  `CREATE TABLE IF NOT EXISTS device_sensor_history (
  device_id INTEGER NOT NULL,
  sensor_name TEXT NOT NULL CHECK (length(sensor_name) <= 50),
  recorded_at INTEGER NOT NULL,
  discriminator INTEGER NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (device_id, sensor_name, recorded_at, discriminator)
) STRICT, WITHOUT ROWID`,
] as const
